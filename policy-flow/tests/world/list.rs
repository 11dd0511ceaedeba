//! The list of services, and how it is exchanged.

use policy_flow::{BackendGroup, Shared};
use policy_ha::BackendId;

use super::{
    net::Listed,
    options::{backend, balancer, config, options},
    run::World,
};

impl World<'_> {
    /// The list of services is another one from now on.
    pub(crate) fn exchange(&mut self, at: usize) {
        let (_, without) = self.net.plan.exchanges[at];
        let plan = self.net.plan;
        let all = plan.services.iter().enumerate();
        let stays: Vec<usize> = all
            .filter(|(at, _)| without & 1 << at == 0)
            .map(|(at, _)| at)
            .collect();
        let of_group = |group: usize| -> Vec<usize> {
            let all = stays.iter().copied();
            all.filter(|at| plan.group_of(*at) == group).collect()
        };
        let groups: Vec<Vec<usize>> = (0..plan.groups()).map(of_group).collect();
        if groups.iter().any(Vec::is_empty) {
            return;
        }
        // Slots are said group by group.
        let stays = groups.concat();
        let listed = &self.net.listed;
        let shared: Vec<Shared> = groups
            .iter()
            .zip(&self.net.shared)
            .map(|(group, shared)| {
                let backends = group
                    .iter()
                    .map(|&at| (backend(at, &plan.services[at]), listed[at].id));
                let backends: Vec<_> = backends.collect();
                shared.renewed(balancer(plan), backends).unwrap()
            })
            .collect();
        let ids: Vec<BackendId> = shared
            .iter()
            .flat_map(|shared| shared.balancer().ids().collect::<Vec<_>>())
            .collect();
        self.net.note(|| format!("the list is {stays:?}"));
        for worker in 0..self.flows.len() {
            let slot_of = |at: &usize| {
                let id = self.net.listed[*at].id?;
                let slots = self.flows[worker]
                    .upstream()?
                    .group_slots(plan.group_of(*at));
                slots.get(id.index()).copied()
            };
            let lists: Vec<BackendGroup> = groups
                .iter()
                .zip(&shared)
                .map(|(group, shared)| {
                    let backends = group.iter().map(|at| {
                        let config = config(&plan.services[*at], self.net.first_server[*at]);
                        (config, slot_of(at))
                    });
                    BackendGroup::new(options(plan), shared, backends)
                })
                .collect();
            let (flow, mut hand) = self.flow(worker);
            let Some(upstream) = flow.upstream_mut() else {
                continue;
            };
            let slots = upstream.exchange_groups(lists, &mut hand).concat();
            let net = &mut self.net;
            for (slot, &service) in slots.iter().zip(&stays) {
                let worker = &mut net.workers[worker];
                if worker.slots.len() <= slot.index() {
                    worker.slots.resize(slot.index() + 1, 0);
                    worker.eras.resize(slot.index() + 1, 0);
                }
                worker.slots[slot.index()] = service;
                worker.eras[slot.index()] = net.listed[service].era;
            }
            net.wake(worker, net.now);
        }
        let now = self.net.now;
        for (service, listed) in self.net.listed.iter_mut().enumerate() {
            let place = stays.iter().position(|other| *other == service);
            if place.is_some() && listed.id.is_none() {
                listed.since = now;
            }
            if place.is_none() && listed.id.is_some() {
                *listed = Listed {
                    era: listed.era + 1,
                    ..Listed::new(None)
                };
            }
            listed.id = place.and_then(|place| ids.get(place).copied());
        }
        self.net.shared = shared;
    }
}
