//! Nothing is allocated for a request that is forwarded.

#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

use std::{io, time::Instant};

use policy_flow::{
    Address, BackendConfig, BackendDriver, ClientDriver, ClientEvent, ClientId, ClientOptions,
    Clients, Connecting, Event, Failure, Flow, FlowOptions, LinkId, Peer, PlaceLimits, Places,
    Sent, Shared, Slot, Upstream, UpstreamOptions,
};

/// A network in which everything goes well.
#[derive(Default)]
struct Quiet {
    asked: Option<LinkId>,
    replies: u64,
}

impl ClientDriver for Quiet {
    fn send_client(&mut self, _: ClientId, _: &[u8]) -> io::Result<Sent> {
        self.replies += 1;
        Ok(Sent::All)
    }
    fn close_client(&mut self, _: ClientId) {}
    fn leave_client(&mut self, _: ClientId) {}
    fn resume_client(&mut self, _: ClientId) {}
    fn has_bytes(&mut self, _: ClientId) -> bool {
        false
    }
    fn client_event(&mut self, _: ClientEvent<'_>) {}
}

impl BackendDriver for Quiet {
    fn connect(&mut self, _: LinkId, _: Slot, _: Address) -> Result<Connecting, Failure> {
        Ok(Connecting::Done)
    }
    fn send(&mut self, link: LinkId, _: &[u8]) -> Result<Sent, Failure> {
        self.asked = Some(link);
        Ok(Sent::All)
    }
    fn close(&mut self, _: LinkId) {}
    fn resume(&mut self, _: LinkId) {}
    fn is_open(&mut self, _: LinkId) -> bool {
        true
    }
    fn resolve(&mut self, _: Slot) {}
    fn wake(&mut self, _: usize) {}
    fn event(&mut self, _: Event<'_>) {}
}

#[test]
fn a_request_that_is_forwarded_is_not_allocated_for() {
    #[expect(
        clippy::disallowed_methods,
        reason = "any moment will do to begin with"
    )]
    let now = Instant::now();
    let options = UpstreamOptions::default();
    let mut backend = BackendConfig::default();
    backend.address = Some(Address::Other(0));
    let backends = [backend.clone(), backend];
    let shared = Shared::new(options.balancer, backends.iter().map(|one| one.backend), 1).unwrap();
    let upstream = Upstream::new(now, options, backends, &shared, 0);
    let places = Places::new(PlaceLimits {
        all: 10,
        per_address: None,
        per_user: None,
    });
    let clients = Clients::new(now, ClientOptions::default(), places);
    let mut flow = Flow::new(FlowOptions::default(), clients, Some(upstream));
    let mut driver = Quiet::default();
    let clients = [1, 2].map(|user| flow.accept(Peer::User(user), &mut driver).unwrap());
    let sender = "a".repeat(500);
    let request = |instance: u32| {
        format!("request=smtpd_access_policy\nsender={sender}@a.example\ninstance={instance}\n\n")
    };
    let requests: Vec<String> = (0..4).map(request).collect();
    let mut round = |flow: &mut Flow, number: usize| {
        let client = clients[number % 2];
        flow.set_now(now + std::time::Duration::from_millis(number as u64));
        flow.client_data(client, requests[number % 4].as_bytes(), &mut driver);
        let link = driver.asked.take().unwrap();
        flow.tick(&mut driver);
        flow.link_data(link, b"action=DUNNO\n\n", &mut driver);
        flow.tick(&mut driver);
    };
    for number in 0..20_000 {
        round(&mut flow, number);
    }
    let info = allocation_counter::measure(|| {
        for number in 20_000..30_000 {
            round(&mut flow, number);
        }
    });
    assert_eq!(info.count_total, 0);
    assert_eq!(driver.replies, 30_000);
}
