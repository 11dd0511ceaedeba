//! The list of services, and how it is exchanged.

use policy_flow::Slot;
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
        if stays.is_empty() {
            return;
        }
        let listed = &self.net.listed;
        let backends = stays
            .iter()
            .map(|&at| (backend(at, &plan.services[at]), listed[at].id));
        let shared = self
            .net
            .shared
            .renewed(balancer(plan), backends.collect::<Vec<_>>())
            .unwrap();
        let ids: Vec<BackendId> = shared.balancer().ids().collect();
        self.net.note(|| format!("the list is {stays:?}"));
        for worker in 0..self.flows.len() {
            let slot_of = |at: &usize| {
                let id = self.net.listed[*at].id?;
                self.flows[worker].upstream()?.slot(id)
            };
            let slots: Vec<Option<Slot>> = stays.iter().map(slot_of).collect();
            let configs: Vec<_> = stays
                .iter()
                .zip(slots)
                .map(|(&at, slot)| (config(&plan.services[at], self.net.first_server[at]), slot))
                .collect();
            let (flow, mut hand) = self.flow(worker);
            let Some(upstream) = flow.upstream_mut() else {
                continue;
            };
            let slots = upstream.exchange(options(plan), configs, &shared, &mut hand);
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
