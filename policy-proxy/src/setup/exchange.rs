//! The proxy of other settings in the place of one that serves: services that stay keep what they have.

use std::sync::{Arc, mpsc::Sender};

use policy_flow::{Check, Shared};
use policy_ha::BackendId;

use super::{counters, endpoints, keyed, mirrors, seed, settings};
use crate::{
    options::{Options, Service, Services},
    proxy::{Backends, Exchange, GroupSettings, Proxy},
};

/// A service of before, by its index there.
#[derive(Clone, Copy)]
struct Before<'a> {
    index: usize,
    service: &'a Service,
}

/// The proxy of these settings in the place of another one. Services of the same name and address in a group of the same
/// name keep their health, their connections and what was counted of them.
pub(crate) fn exchange(
    services: &Services,
    options: &Options,
    before: &Proxy,
    check: Option<Check>,
    done: Sender<()>,
) -> Option<Exchange> {
    let workers = before.metrics.len();
    let settings = settings(services, options, workers);
    let all: Vec<Before<'_>> = before
        .journal
        .services()
        .enumerate()
        .map(|(index, service)| Before { index, service })
        .collect();
    // By its name, wherever it is now.
    let was: Vec<Option<Before<'_>>> = services
        .valid
        .iter()
        .map(|service| {
            all.iter()
                .find(|known| known.service.name == service.name)
                .copied()
        })
        .collect();
    let group_names = settings.groups.iter().flat_map(|group| {
        let names = std::iter::repeat(&group.name);
        names.take(group.services.len())
    });
    let kept: Vec<Option<usize>> = services
        .valid
        .iter()
        .zip(&was)
        .zip(group_names)
        .map(|((service, was), group)| {
            let Before {
                index,
                service: known,
            } = (*was)?;
            let is_same = known.endpoint == service.endpoint && before.group_name(index) == group;
            is_same.then_some(index)
        })
        .collect();
    let shared = renewed(services, &settings.groups, before, &kept, &was)?;
    // One that has moved is counted on: it has its name.
    let service_metrics = was.iter().map(|was| {
        let metrics = was.and_then(|was| before.service_metrics.get(was.index));
        metrics.cloned().unwrap_or_else(|| counters(workers))
    });
    let group_metrics = settings.groups.iter().map(|group| {
        let index = group_index(before, &group.name);
        let metrics = index.and_then(|index| before.group_metrics.get(index));
        metrics.cloned().unwrap_or_else(|| counters(workers))
    });
    let names = settings.groups.iter().map(|group| group.name.as_str());
    let journal = before.journal.renewed(services.valid.clone(), &kept, names);
    let journal = journal
        .with_detail(options.log.attempts, options.log.detail)
        .with_sample(options.log.sample);
    let number = |index: Option<usize>, first: usize| {
        index.and_then(|index| u16::try_from(index + first).ok())
    };
    let groups = before.settings.groups.iter().map(|group| {
        let mut now = settings.groups.iter();
        number(now.position(|now| now.name == group.name), 0)
    });
    let listeners = before.settings.listeners.iter().map(|listener| {
        let mut now = settings.listeners.iter();
        number(now.position(|now| now.name == listener.name), 1)
    });
    let (groups, listeners) = (
        groups.collect(),
        [Some(0)].into_iter().chain(listeners).collect(),
    );
    let journal = Arc::new(journal.with_format(options.log.format));
    let proxy = Proxy {
        mirrors: mirrors(options, &before.mirrors, &journal),
        default: options.common.default.clone().unwrap_or_default(),
        journal,
        check,
        shared,
        service_metrics: service_metrics.collect(),
        group_metrics: group_metrics.collect(),
        backends: Arc::new(Backends {
            endpoints: endpoints(services),
            resolver: Arc::clone(&before.backends.resolver),
        }),
        settings,
        ..before.clone()
    };
    Some(Exchange {
        proxy: Arc::new(proxy),
        kept,
        groups,
        listeners,
        done,
    })
}

/// The health of services that stay. A weight or a mode that a command has set stays as well, also of a service that has
/// moved, unless the setting is another one.
fn renewed(
    services: &Services,
    groups: &[GroupSettings],
    before: &Proxy,
    kept: &[Option<usize>],
    was: &[Option<Before<'_>>],
) -> Option<Vec<Shared>> {
    let any = before.shared.first()?;
    let mut rest = services.valid.iter().zip(kept).zip(was);
    let mut all = Vec::new();
    for group in groups {
        let services: Vec<_> = rest.by_ref().take(group.services.len()).collect();
        let backends: Vec<_> = services
            .iter()
            .map(|((service, kept), was)| {
                let mut backend = keyed(service);
                let is_as_before = |was: &Before<'_>| was.service.backend.weight == backend.weight;
                let health = was
                    .filter(is_as_before)
                    .and_then(|was| before.health_of(was.index));
                if let Some((shared, id)) = health {
                    backend.weight = shared.balancer().weight(id);
                }
                let id: Option<BackendId> = kept.and_then(|index| Some(before.group_of(index)?.1));
                (backend, id)
            })
            .collect();
        let config = group.upstream.balancer.with_seed(seed());
        let known = group_index(before, &group.name).and_then(|index| before.shared.get(index));
        let shared = match known {
            Some(known) => known.renewed(config, backends),
            None => any.beside(config, backends.into_iter().map(|(backend, _)| backend)),
        };
        let shared = shared.ok()?;
        let modes: Vec<_> = services
            .iter()
            .map(|((service, _), was)| {
                let is_as_before = |was: &Before<'_>| was.service.mode == service.mode;
                let health = was
                    .filter(is_as_before)
                    .and_then(|was| before.health_of(was.index));
                match health {
                    Some((shared, id)) => shared.balancer().mode(id),
                    None => service.mode,
                }
            })
            .collect();
        let mut balancer = shared.balancer();
        for (id, mode) in balancer.ids().zip(modes) {
            balancer.set_mode(id, mode);
        }
        drop(balancer);
        all.push(shared);
    }
    Some(all)
}

/// The index of the group of this name.
fn group_index(proxy: &Proxy, name: &str) -> Option<usize> {
    let mut groups = proxy.settings.groups.iter();
    groups.position(|group| group.name == name)
}
