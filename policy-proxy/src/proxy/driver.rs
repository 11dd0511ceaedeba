//! The driver of the state machine: it sends, connects and logs.

use std::{io, sync::Arc, time::Instant};

use policy_flow::{
    Address, BackendDriver, ClientDriver, ClientEvent, ClientId, Connecting, Event, Failure,
    LinkId, Peer, Sent, Slot, Waiting,
};

use crate::{
    journal::{ClientPlace, Outcome},
    metrics::{GroupTable, ServiceTable, WorkerMetrics},
    proxy::{Proxy, links::Links},
};

/// The driver of the state machine.
#[derive(Debug)]
pub(crate) struct Driver<C> {
    pub(crate) clients: C,
    pub(crate) links: Links,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(super) services: ServiceTable,
    pub(super) groups: GroupTable,
    /// When the request of each client came, where that is logged.
    begun: Vec<Option<Instant>>,
    /// This worker, counted from 0.
    worker: usize,
}

/// The side of the clients: many connections, or standard input and output.
pub(crate) trait ClientSide {
    fn send(&mut self, client: ClientId, bytes: &[u8]) -> io::Result<Sent>;
    fn close(&mut self, client: ClientId);
    /// It is between two requests, and another process may serve it on.
    fn leave(&mut self, client: ClientId);
    /// It may be read from again.
    fn resume(&mut self, client: ClientId);
    fn has_bytes(&mut self, client: ClientId) -> bool;
    /// It has lost its place.
    fn evicted(&mut self, peer: Peer, waiting: Waiting, time: std::time::Duration);
    /// Another worker is to look at its state machine.
    fn wake(&mut self, worker: usize);
    /// The peer, where the log is to name it.
    fn named(&self, peer: Peer) -> Option<Peer>;
}

impl<C> Driver<C> {
    /// The driver of this worker, counted from 0.
    pub(crate) fn new(clients: C, links: Links, proxy: Arc<Proxy>, worker: usize) -> Self {
        Self {
            clients,
            links,
            metrics: proxy.worker_metrics(worker),
            services: proxy.services_of(worker),
            groups: proxy.groups_of(worker),
            proxy,
            begun: Vec::new(),
            worker,
        }
    }

    /// The place of a client, for traces.
    const fn place(&self, client: u64) -> ClientPlace {
        ClientPlace {
            worker: self.worker,
            client,
        }
    }

    fn begins(&mut self, client: ClientId) {
        if self.proxy.journal.needs_begin() {
            let index = client.index();
            if self.begun.len() <= index {
                self.begun.resize(index + 1, None);
            }
            if let Some(begun) = self.begun.get_mut(index) {
                *begun = Some(Instant::now());
            }
        }
    }
}

/// The number of a client, as upstreams know it.
fn index(client: ClientId) -> u64 {
    client.index() as u64
}

impl<C: ClientSide> ClientDriver for Driver<C> {
    fn send_client(&mut self, client: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        self.clients.send(client, bytes)
    }

    fn close_client(&mut self, client: ClientId) {
        self.clients.close(client);
    }

    fn leave_client(&mut self, client: ClientId) {
        self.clients.leave(client);
    }

    fn resume_client(&mut self, client: ClientId) {
        self.clients.resume(client);
    }

    fn has_bytes(&mut self, client: ClientId) -> bool {
        self.clients.has_bytes(client)
    }

    fn client_event(&mut self, event: ClientEvent<'_>) {
        // Each request brings the first two. A jump through a table would be guessed wrong after each switch between
        // processes.
        if let ClientEvent::Request {
            client,
            request,
            is_policy,
            ..
        } = event
        {
            let proxy = &self.proxy;
            proxy.journal.request(request, is_policy);
            if proxy.journal.is_traced() {
                let place = self.place(index(client));
                proxy
                    .journal
                    .trace_request(place, request, || proxy.states());
            }
            if !is_policy {
                self.metrics.unrecognized();
            }
            self.begins(client);
        } else if let ClientEvent::Replied {
            client,
            request,
            took,
            group,
            answered,
            failed,
            response,
            ..
        } = event
        {
            let proxy = &self.proxy;
            let is_unanswered = answered.is_none() && request.is_access_policy();
            if answered.is_some() {
                proxy.journal.answered(group, || proxy.default_of(group));
            } else if !proxy.shared.is_empty() && is_unanswered {
                proxy
                    .journal
                    .unanswered(group, || proxy.states_of(group), response);
            }
            if !proxy.mirrors.is_empty()
                && answered.is_some()
                && let Some(response) = response
            {
                proxy.mirror(group, request, response);
            }
            self.groups.replied(group, is_unanswered);
            let outcome = Outcome {
                group,
                answered,
                failed,
                took,
                response,
            };
            self.metrics.replied(&outcome, is_unanswered);
            proxy.journal.replied(request, &outcome);
            if proxy.journal.is_traced() {
                let place = self.place(index(client));
                proxy
                    .journal
                    .trace_outcome(place, request, &outcome, || proxy.states());
            }
        } else {
            self.rare_client_event(&event);
        }
    }
}

impl<C: ClientSide> Driver<C> {
    #[cold]
    fn rare_client_event(&mut self, event: &ClientEvent<'_>) {
        let proxy = &self.proxy;
        match *event {
            ClientEvent::SkippedLines(ignored) => proxy.journal.ignored(ignored),
            ClientEvent::Refused {
                peer,
                error,
                received,
                ..
            } => {
                self.metrics.client_refused();
                let peer = self.clients.named(peer);
                let is_lenient = proxy.settings.is_lenient;
                proxy.journal.refused(peer, error, received, is_lenient);
            }
            ClientEvent::Evicted {
                peer,
                waiting,
                time,
                ..
            } => {
                self.metrics.client_evicted();
                self.clients.evicted(peer, waiting, time);
            }
            // The monitor looks for it: a shortage that comes and goes is logged once.
            ClientEvent::MemoryUsedUp => {}
            _ => {}
        }
    }
}

impl<C: ClientSide> BackendDriver for Driver<C> {
    fn connect(
        &mut self,
        link: LinkId,
        backend: Slot,
        address: Address,
    ) -> Result<Connecting, Failure> {
        self.links.connect(link, backend, address)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        self.links.send(link, bytes)
    }

    fn close(&mut self, link: LinkId) {
        self.links.table.close(link.index());
    }

    fn resume(&mut self, link: LinkId) {
        self.links.resume(link);
    }

    fn is_open(&mut self, link: LinkId) -> bool {
        self.links.is_open(link)
    }

    fn resolve(&mut self, backend: Slot) {
        self.links.resolve(backend);
    }

    fn wake(&mut self, worker: usize) {
        self.clients.wake(worker);
    }

    fn event(&mut self, event: Event<'_>) {
        let begun = &self.begun;
        let begun = |owner: u64| *begun.get(usize::try_from(owner).ok()?)?;
        self.services.event(&event);
        self.proxy.journal.event(&event, begun);
        if self.proxy.journal.is_traced() {
            self.proxy
                .journal
                .trace_event(|owner| self.place(owner), &event);
        }
    }
}
