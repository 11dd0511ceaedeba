//! A worker goes by other settings while it serves: services that stay keep their connections, and what is under way ends
//! as it began.

use std::sync::Arc;

use policy_flow::{ClientTimes, Slot};

use crate::{
    journal::put,
    metrics::ServiceTable,
    proxy::{
        backends::Backends, clients::ClientSockets, driver::Driver, event_loop::EventLoop,
        exchange::Exchange, settings::Proxy,
    },
};

impl EventLoop {
    /// Goes by other settings from now on.
    pub(super) fn exchange(&mut self, exchange: &Exchange) {
        let Exchange { proxy, kept, .. } = exchange;
        self.listeners
            .renumber(|endpoint| proxy.listener_at(endpoint));
        let flow = &mut self.io.flow;
        flow.renew(proxy.flow_options());
        flow.renumber(&exchange.groups, &exchange.listeners);
        flow.renew_times(ClientTimes::from(proxy.settings.clients));
        let worker = self.context.index();
        let Some(upstream) = flow.upstream_mut() else {
            return;
        };
        let slot = |index: usize| {
            let kept = kept.get(index).copied().flatten()?;
            self.slots.get(kept).copied()
        };
        let groups = proxy.backend_groups(slot);
        let slots = upstream.exchange_groups(groups, &mut self.io.driver);
        let slots = slots.concat();
        self.io.driver.renew(proxy, worker, &slots);
        // One worker looks at services that are down.
        if worker + 1 == self.context.workers().len() {
            upstream.end_checks(&mut self.io.driver);
            if let Some(check) = &proxy.check {
                upstream.check(check.clone());
            }
        }
        self.slots = slots;
        // What has come of requests meanwhile is said to their clients.
        self.io.flow.woken(&mut self.io.driver);
    }
}

impl Driver<ClientSockets> {
    /// Knows the services of this proxy at these slots.
    fn renew(&mut self, proxy: &Proxy, worker: usize, slots: &[Slot]) {
        let places: Vec<usize> = slots.iter().map(|slot| slot.index()).collect();
        let before = &self.proxy;
        let mut endpoints = before.backends.endpoints.clone();
        put(&mut endpoints, &places, &proxy.backends.endpoints);
        let backends = Arc::new(Backends {
            endpoints,
            resolver: Arc::clone(&proxy.backends.resolver),
        });
        let ServiceTable(mut services) = self.services.clone();
        put(&mut services, &places, &proxy.services_of(worker).0);
        let journal = proxy.journal.ordered(&places, &before.journal);
        let proxy = Arc::new(Proxy {
            journal: Arc::new(journal),
            backends: Arc::clone(&backends),
            ..proxy.clone()
        });
        self.services = ServiceTable(services);
        self.groups = proxy.groups_of(worker);
        self.links.set_backends(backends);
        self.clients.set_proxy(Arc::clone(&proxy));
        self.proxy = proxy;
    }
}
