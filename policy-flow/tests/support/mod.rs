//! A driver that does nothing but to write down what it is told, and a proxy with it.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

use std::{
    fmt::Write,
    io, mem,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use policy_flow::{
    Address, BackendConfig, BackendDriver, ClientDriver, ClientEvent, ClientId, ClientOptions,
    Clients, Connecting, Event, Failure, Flow, FlowOptions, LinkId, Peer, PlaceLimits, Places,
    Sent, Shared, Slot, Upstream, UpstreamOptions,
};

#[derive(Default)]
pub(crate) struct Recorder {
    /// What was to be done, in a word or two each.
    pub(crate) done: Vec<String>,
    /// What happened.
    pub(crate) events: Vec<String>,
    /// The next connections are refused.
    pub(crate) refuses: bool,
    /// The queue of the next connections is full.
    pub(crate) is_full: bool,
    /// The system takes none of the next bytes.
    pub(crate) is_slow: bool,
    /// What idle connections look like when they are asked of.
    pub(crate) is_closed: bool,
}

impl Recorder {
    /// What was to be done since the last call.
    pub(crate) fn take(&mut self) -> Vec<String> {
        mem::take(&mut self.done)
    }

    pub(crate) fn take_events(&mut self) -> Vec<String> {
        mem::take(&mut self.events)
    }

    fn sent(&self) -> Sent {
        match self.is_slow {
            true => Sent::Part,
            false => Sent::All,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\n', "|")
}

impl ClientDriver for Recorder {
    fn send_client(&mut self, client: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        self.done
            .push(format!("reply {}: {}", client.index(), text(bytes)));
        Ok(self.sent())
    }
    fn close_client(&mut self, client: ClientId) {
        self.done.push(format!("close client {}", client.index()));
    }
    fn leave_client(&mut self, client: ClientId) {
        self.done.push(format!("leave client {}", client.index()));
    }
    fn resume_client(&mut self, _: ClientId) {}
    fn has_bytes(&mut self, _: ClientId) -> bool {
        false
    }
    fn client_event(&mut self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Request { .. } | ClientEvent::Replied { .. } => {}
            ClientEvent::Refused { error, .. } => self.events.push(match error {
                Some(error) => format!("refused: {error}"),
                None => "refused: foreign".to_owned(),
            }),
            other => self.events.push(format!("{other:?}")),
        }
    }
}

impl BackendDriver for Recorder {
    fn connect(
        &mut self,
        link: LinkId,
        backend: Slot,
        address: Address,
    ) -> Result<Connecting, Failure> {
        let mut text = format!("connect {} to {}", link.index(), backend.index());
        if let Address::Other(number @ 1..) = address {
            _ = write!(text, ".{number}");
        }
        self.done.push(text);
        match (self.refuses, self.is_full) {
            (true, _) => Err(Failure::Peer(io::ErrorKind::ConnectionRefused.into())),
            (false, true) => Ok(Connecting::Full),
            (false, false) => Ok(Connecting::Pending),
        }
    }
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let first = text(bytes);
        let instance = first.split("instance=").nth(1).unwrap_or_default();
        let instance = instance.split('|').next().unwrap_or_default();
        self.done.push(format!("send {}: {instance}", link.index()));
        Ok(self.sent())
    }
    fn close(&mut self, link: LinkId) {
        self.done.push(format!("close {}", link.index()));
    }
    fn resume(&mut self, link: LinkId) {
        self.done.push(format!("resume {}", link.index()));
    }
    fn is_open(&mut self, link: LinkId) -> bool {
        self.done.push(format!("is {} open", link.index()));
        !self.is_closed
    }
    fn resolve(&mut self, backend: Slot) {
        self.done.push(format!("resolve {}", backend.index()));
    }
    fn wake(&mut self, worker: usize) {
        self.done.push(format!("wake {worker}"));
    }
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Opening(_) | Event::Connected(_) | Event::Answered { .. } => {}
            Event::Failed { backend, error, .. } => {
                self.events
                    .push(format!("{} failed: {error}", backend.index()));
            }
            Event::Changed {
                backend,
                transition,
                ..
            } => {
                let up = match transition {
                    policy_ha::Transition::Up { .. } => "up",
                    _ => "down",
                };
                self.events.push(format!("{} is {up}", backend.index()));
            }
            Event::Harmful { backends, .. } => self.events.push(format!("harmful: {backends:b}")),
            Event::Crowded { backend, limit, .. } => {
                self.events
                    .push(format!("{} serves {limit}", backend.index()));
            }
            Event::Checked { backend, error, .. } => self.events.push(match error {
                Some(error) => format!("{} did not pass: {error}", backend.index()),
                None => format!("{} passed", backend.index()),
            }),
            Event::StaleAddresses { error, .. } => self.events.push(format!("stale: {error}")),
            other => self.events.push(format!("{other:?}")),
        }
    }
}

/// A proxy, its driver and its clock.
pub(crate) struct Proxy {
    pub(crate) flow: Flow,
    pub(crate) driver: Recorder,
    pub(crate) now: Instant,
    pub(crate) shared: Shared,
}

impl Proxy {
    /// Of this many backends that are one and the same.
    pub(crate) fn new(backends: usize) -> Self {
        Self::with(
            vec![BackendConfig::default(); backends],
            UpstreamOptions::default(),
            ClientOptions::default(),
        )
    }

    /// Backends whose configuration says nothing are at a place of their own.
    pub(crate) fn with(
        backends: Vec<BackendConfig>,
        options: UpstreamOptions,
        clients: ClientOptions,
    ) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment will do to begin with"
        )]
        let now = Instant::now();
        let shared = Shared::new(options.balancer, backends.iter().map(|one| one.backend), 1);
        let shared = shared.unwrap();
        let backends = backends.into_iter().map(|mut backend| {
            if backend.host.is_empty() {
                backend.address = backend.address.or(Some(Address::Other(0)));
            }
            backend
        });
        let upstream = Upstream::new(now, options, backends, &shared, 0);
        let places = Places::new(PlaceLimits {
            all: 100,
            per_address: None,
            per_user: None,
        });
        let clients = Clients::new(now, clients, places);
        Self {
            flow: Flow::new(FlowOptions::default(), clients, Some(upstream)),
            driver: Recorder::default(),
            now,
            shared,
        }
    }

    pub(crate) fn client(&mut self) -> ClientId {
        let peer = Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.flow.accept(peer, &mut self.driver).unwrap()
    }

    /// A client sends a request about this message.
    pub(crate) fn ask(&mut self, client: ClientId, instance: &str) -> Vec<String> {
        let request = format!("request=smtpd_access_policy\ninstance={instance}\n\n");
        self.flow
            .client_data(client, request.as_bytes(), &mut self.driver);
        self.driver.take()
    }

    pub(crate) fn connected(&mut self, link: u32) -> Vec<String> {
        self.flow
            .connected(LinkId::from_index(link), &mut self.driver);
        self.driver.take()
    }

    /// A backend sends this.
    pub(crate) fn answer(&mut self, link: u32, bytes: &str) -> Vec<String> {
        let link = LinkId::from_index(link);
        self.flow
            .link_data(link, bytes.as_bytes(), &mut self.driver);
        self.driver.take()
    }

    pub(crate) fn ended(&mut self, link: u32) -> Vec<String> {
        self.flow
            .link_ended(LinkId::from_index(link), &mut self.driver);
        self.driver.take()
    }

    pub(crate) fn failed(&mut self, link: u32) -> Vec<String> {
        let failure = Failure::Peer(io::ErrorKind::ConnectionReset.into());
        self.flow
            .link_failed(LinkId::from_index(link), failure, &mut self.driver);
        self.driver.take()
    }

    /// So much time passes, and each timer rings when it is due.
    pub(crate) fn passes(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        while let Some(next) = self.flow.next_timer().filter(|next| *next < end) {
            self.now = self.now.max(next);
            self.flow.set_now(self.now);
            self.flow.tick(&mut self.driver);
        }
        self.stands_still(end.saturating_duration_since(self.now))
    }

    /// So much time passes in one step.
    pub(crate) fn stands_still(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.flow.set_now(self.now);
        self.flow.tick(&mut self.driver);
        self.driver.take()
    }
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
