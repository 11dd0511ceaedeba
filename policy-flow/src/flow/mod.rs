//! A whole proxy: requests of clients go to backends, their answers come back.

use std::time::{Duration, Instant};

use crate::{
    Address, ClientDriver, ClientId, ClientTimes, Clients, Driver, Failure, LinkId, Peer, Refusal,
    Slot, Upstream, clock::Time, foreign::TLS_HANDSHAKE,
};

mod options;
mod request;
mod routing;

pub use options::FlowOptions;
pub use routing::{GroupRules, ListenerRules, Route, Routing, Unanswered};

/// A whole proxy, for one worker.
#[derive(Debug)]
pub struct Flow {
    options: FlowOptions,
    clients: Clients,
    upstream: Option<Upstream>,
}

impl Flow {
    /// Without an upstream each request gets the default action.
    #[must_use]
    pub fn new(options: FlowOptions, clients: Clients, mut upstream: Option<Upstream>) -> Self {
        if let Some(upstream) = &mut upstream {
            upstream.set_clock(clients.clock());
        }
        Self {
            options,
            clients,
            upstream,
        }
    }

    /// The clients' side, to be looked at.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The backends' side.
    #[must_use]
    pub const fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    /// The backends' side, to have it check backends or exchange their list.
    pub const fn upstream_mut(&mut self) -> Option<&mut Upstream> {
        self.upstream.as_mut()
    }

    /// Other rules from now on, for the requests that come.
    pub fn renew(&mut self, options: FlowOptions) {
        self.options = options;
    }

    /// Groups and listeners have other numbers from now on: each number of before comes with the one of now, if there is
    /// one. Clients of a listener that is gone are those of the first one.
    pub fn renumber(&mut self, groups: &[Option<u16>], listeners: &[Option<u16>]) {
        self.clients.renumber(groups, listeners);
    }

    /// Other times for the clients, those that wait already among them.
    pub fn renew_times(&mut self, times: ClientTimes) {
        self.clients.renew_times(times);
    }

    /// What happens from now on happens then. Time does not go back.
    pub fn set_now(&mut self, now: Instant) {
        self.clients.set_now(now);
        if let Some(upstream) = &mut self.upstream {
            upstream.set_clock(self.clients.clock());
        }
    }

    /// When [`tick`](Self::tick) is to be called at the latest; `None` if nothing is waited for.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        self.clients.clock().instant_of(self.next_time())
    }

    /// How long after the moment that was set last [`tick`](Self::tick) is to be called at the latest; `None` if nothing
    /// is waited for. For a loop that asks before each wait this costs less than [`next_timer`](Self::next_timer).
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        match self.next_time() {
            Time::NEVER => None,
            next => Some(next.since(self.clients.clock().now)),
        }
    }

    /// Whether something waits for [`tick`](Self::tick) now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.next_time() <= self.clients.clock().now
    }

    fn next_time(&self) -> Time {
        let upstream = self.upstream.as_ref();
        let upstream = upstream.map_or(Time::NEVER, Upstream::next_time);
        self.clients.next_time().min(upstream)
    }

    /// Does what time brings. To be called after each wake-up, when all that has been heard until now was reported, also
    /// what came in the same moment: data counts before a time-out. After a pause of the process everything that has
    /// arrived is to be read first.
    pub fn tick(&mut self, driver: &mut impl Driver) {
        if !self.is_due() && !self.clients.is_draining() {
            // As a rule.
            return self.recycle();
        }
        if let Some(upstream) = &mut self.upstream {
            upstream.tick(driver);
        }
        self.run(driver);
        self.clients.tick(driver);
        self.run(driver);
    }

    #[inline]
    fn recycle(&mut self) {
        self.clients.recycle();
        if let Some(upstream) = &mut self.upstream {
            upstream.recycle();
        }
    }

    /// A client has connected.
    ///
    /// # Errors
    ///
    /// There is no place for it: it is to be closed.
    pub fn accept(
        &mut self,
        peer: Peer,
        driver: &mut impl ClientDriver,
    ) -> Result<ClientId, Refusal> {
        self.accept_at(0, peer, driver)
    }

    /// The same for a client that has connected to this listener, by its index in [`Routing::listeners`].
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_at(
        &mut self,
        listener: u16,
        peer: Peer,
        driver: &mut impl ClientDriver,
    ) -> Result<ClientId, Refusal> {
        let client = self.clients.accept(peer, driver)?;
        self.clients.set_listener(client, listener);
        Ok(client)
    }

    /// This has come from a client; not more than [`Clients::room`] said.
    pub fn client_data(&mut self, client: ClientId, data: &[u8], driver: &mut impl Driver) {
        self.clients.data(client, data, driver);
        if self.options.strict && self.clients.received(client).starts_with(TLS_HANDSHAKE) {
            // It may have no line feed, and its client waits for an answer to it.
            let received = self.clients.received(client).to_vec();
            self.clients.refuse_foreign(client, &received, driver);
        }
        self.run(driver);
    }

    /// A client will send no more: all that it sent has been reported.
    pub fn client_ended(&mut self, client: ClientId, driver: &mut impl Driver) {
        self.clients.ended(client, driver);
    }

    /// A client has gone: its connection was reset, or both of its ways are closed.
    pub fn client_gone(&mut self, client: ClientId, driver: &mut impl Driver) {
        if let Some(ask) = self.clients.gone(client, driver)
            && let Some(upstream) = &mut self.upstream
        {
            upstream.cancel(ask, driver);
        }
        self.run(driver);
    }

    /// The system has taken the rest of a reply.
    pub fn client_flushed(&mut self, client: ClientId, driver: &mut impl Driver) {
        self.clients.flushed(client, driver);
        self.run(driver);
    }

    /// From now on each connection ends as soon as it is between two requests: [`ClientDriver::leave_client`].
    pub fn drain(&mut self, driver: &mut impl Driver) {
        self.clients.drain(driver);
    }

    /// A connection to a backend is open.
    pub fn connected(&mut self, link: LinkId, driver: &mut impl Driver) {
        self.on_upstream(driver, |upstream, driver| upstream.connected(link, driver));
    }

    /// This has come over a connection to a backend.
    pub fn link_data(&mut self, link: LinkId, data: &[u8], driver: &mut impl Driver) {
        self.on_upstream(driver, |upstream, driver| upstream.data(link, data, driver));
    }

    /// A backend has closed a connection, after all that it sent.
    pub fn link_ended(&mut self, link: LinkId, driver: &mut impl Driver) {
        self.on_upstream(driver, |upstream, driver| upstream.ended(link, driver));
    }

    /// A connection to a backend failed, or could not be opened.
    pub fn link_failed(&mut self, link: LinkId, failure: Failure, driver: &mut impl Driver) {
        self.on_upstream(driver, |upstream, driver| {
            upstream.link_failed(link, failure, driver);
        });
    }

    /// The system has taken the rest of a request.
    pub fn link_flushed(&mut self, link: LinkId) {
        if let Some(upstream) = &mut self.upstream {
            upstream.link_flushed(link);
        }
    }

    /// How many bytes may be read from a connection to a backend now.
    #[must_use]
    pub fn link_room(&self, link: LinkId) -> usize {
        self.upstream
            .as_ref()
            .map_or(0, |upstream| upstream.room(link))
    }

    /// A look-up has ended.
    pub fn resolved(
        &mut self,
        backend: Slot,
        found: Result<Vec<Address>, Failure>,
        driver: &mut impl Driver,
    ) {
        self.on_upstream(driver, |upstream, driver| {
            upstream.resolved(backend, found, driver);
        });
    }

    /// Another worker has called this one ([`BackendDriver::wake`](crate::BackendDriver::wake)).
    pub fn woken(&mut self, driver: &mut impl Driver) {
        self.on_upstream(driver, |upstream, driver| upstream.woken(driver));
    }

    fn on_upstream<D: Driver>(&mut self, driver: &mut D, act: impl FnOnce(&mut Upstream, &mut D)) {
        if let Some(upstream) = &mut self.upstream {
            act(upstream, driver);
            self.run(driver);
        }
    }

    /// Until there is no request that has come whole, and none that has been worked on.
    fn run(&mut self, driver: &mut impl Driver) {
        loop {
            while let Some((client, request)) = self.clients.take_request() {
                self.begin(client, request, driver);
            }
            let done = self.upstream.as_mut().and_then(Upstream::take_done);
            let Some(done) = done else {
                return;
            };
            self.finish(done, driver);
        }
    }
}
