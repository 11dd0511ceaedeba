//! Clients: how long they are waited for, who gets a place, what memory they take.

#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use policy_flow::{
    ClientId, ClientOptions, ClientTimes, Clients, Peer, PlaceLimits, Places, Refusal,
    RequestMemory,
};
use policy_proto::Response;
use support::{Proxy, Recorder, ms};

const WHOLE: &[u8] = b"request=smtpd_access_policy\n\n";

struct Server {
    clients: Clients,
    driver: Recorder,
    now: std::time::Instant,
}

impl Server {
    fn new(all: usize, options: ClientOptions) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment will do to begin with"
        )]
        let now = std::time::Instant::now();
        let places = Places::new(PlaceLimits {
            all,
            per_address: std::num::NonZeroUsize::new(3),
            per_user: std::num::NonZeroUsize::new(4),
        });
        Self {
            clients: Clients::new(now, options, places),
            driver: Recorder::default(),
            now,
        }
    }

    fn accept(&mut self, last: u8) -> Result<ClientId, Refusal> {
        let peer = Peer::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
        self.clients.accept(peer, &mut self.driver)
    }

    fn data(&mut self, client: ClientId, data: &[u8]) {
        self.clients.data(client, data, &mut self.driver);
    }

    fn reply(&mut self, client: ClientId) {
        let response = Response::new("OK").unwrap();
        self.clients.reply(client, &response, &mut self.driver);
    }

    fn passes(&mut self, time: u64) -> Vec<String> {
        self.now += ms(time);
        self.clients.set_now(self.now);
        self.clients.tick(&mut self.driver);
        self.driver.take()
    }
}

#[test]
fn an_idle_client_and_one_in_the_middle_of_a_request_are_waited_for_as_long_as_is_said() {
    let mut server = Server::new(10, ClientOptions::default());
    let idle = server.accept(1).unwrap();
    let slow = server.accept(2).unwrap();
    server.passes(1_000);
    server.data(slow, b"request=");
    server.data(idle, b"\n");
    assert_eq!(server.passes(29_999), [""; 0]);
    assert_eq!(server.passes(1), ["close client 1"]);
    assert_eq!(
        server.driver.take_events(),
        ["refused: request not finished in time"]
    );
    // A blank line begins no request, and does not keep a client from being idle.
    assert_eq!(server.passes(1_169_000 - 1), [""; 0]);
    assert_eq!(server.passes(1), ["close client 0"]);
    assert_eq!(server.driver.take_events(), [""; 0]);
}

#[test]
fn other_times_hold_for_clients_that_wait_already() {
    let mut server = Server::new(10, ClientOptions::default());
    server.accept(1).unwrap();
    server.passes(10_000);
    let slow = server.accept(2).unwrap();
    server.data(slow, b"request=");
    let mut times = ClientTimes::from(ClientOptions::default());
    times.idle = ms(15_000);
    times.request = ms(8_000);
    server.clients.renew_times(times);
    assert_eq!(server.passes(4_999), [""; 0]);
    assert_eq!(server.passes(1), ["close client 0"]);
    assert_eq!(server.passes(2_999), [""; 0]);
    // Longer again: what rings too early is set again.
    times.request = ms(20_000);
    server.clients.renew_times(times);
    assert_eq!(server.passes(12_000), [""; 0]);
    assert_eq!(server.passes(1), ["close client 1"]);
}

#[test]
fn a_client_that_does_not_read_its_reply_is_closed() {
    let mut server = Server::new(10, ClientOptions::default());
    let client = server.accept(1).unwrap();
    server.data(client, WHOLE);
    let (client, _) = server.clients.take_request().unwrap();
    server.driver.is_slow = true;
    server.reply(client);
    assert_eq!(server.driver.take(), ["reply 0: action=OK||"]);
    assert_eq!(server.passes(29_999), [""; 0]);
    assert_eq!(server.passes(1), ["close client 0"]);
}

#[test]
fn a_client_that_has_ended_its_side_gets_its_reply() {
    let mut server = Server::new(10, ClientOptions::default());
    let client = server.accept(1).unwrap();
    server.data(client, WHOLE);
    server.clients.ended(client, &mut server.driver);
    assert_eq!(server.driver.take(), [""; 0]);
    server.reply(client);
    assert_eq!(
        server.driver.take(),
        ["reply 0: action=OK||", "close client 0"]
    );
}

#[test]
fn where_all_places_are_taken_the_client_that_has_been_idle_for_longest_leaves() {
    let mut server = Server::new(2, ClientOptions::default());
    let one = server.accept(1).unwrap();
    server.passes(1);
    server.accept(2).unwrap();
    server.passes(1);
    // The first one has asked since.
    server.data(one, WHOLE);
    server.clients.take_request();
    server.reply(one);
    server.driver.take();
    assert!(server.accept(3).is_ok());
    assert_eq!(server.driver.take(), ["close client 1"]);
    // One that is worked on does not leave.
    server.data(one, WHOLE);
    assert!(server.accept(4).is_ok());
    assert_eq!(server.driver.take(), ["close client 2"]);
}

#[test]
fn where_none_is_idle_the_oldest_unfinished_request_of_who_has_most_of_them_leaves() {
    let mut server = Server::new(4, ClientOptions::default());
    let clients: Vec<_> = [1, 2, 2, 3].map(|last| server.accept(last).unwrap()).into();
    for client in &clients {
        server.passes(1);
        server.data(*client, b"request=");
    }
    assert!(server.accept(4).is_ok());
    assert_eq!(server.driver.take(), ["close client 1"]);
}

#[test]
fn an_origin_has_no_more_connections_than_it_may_have() {
    let mut server = Server::new(100, ClientOptions::default());
    for _ in 0..3 {
        server.accept(1).unwrap();
    }
    let refusal = server.accept(1).unwrap_err();
    assert_eq!(refusal.to_string(), "its address has 3");
    assert!(server.accept(2).is_ok());
    for user in [7, 7, 7, 7] {
        server
            .clients
            .accept(Peer::User(user), &mut server.driver)
            .unwrap();
    }
    let refused = server.clients.accept(Peer::User(7), &mut server.driver);
    assert_eq!(refused.unwrap_err().to_string(), "its user has 4");
}

#[test]
fn what_is_beyond_the_memory_waits_and_an_idle_client_needs_none() {
    let mut options = ClientOptions::default();
    options.memory = Some(3 * 8 * 1024);
    let mut server = Server::new(10, options);
    let clients: Vec<_> = (1..=4).map(|last| server.accept(last).unwrap()).collect();
    assert_eq!(server.clients.memory(), 0);
    server.data(clients[0], WHOLE);
    server.data(clients[1], WHOLE);
    assert_eq!(server.clients.memory(), 2 * 8 * 1024);
    assert_eq!(
        server.clients.room(clients[2]),
        1,
        "to see that it has begun"
    );
    server.data(clients[2], b"r");
    assert_eq!(server.clients.room(clients[2]), 0);
    assert_eq!(server.clients.short_of_memory(), 1);
    assert_eq!(server.driver.take_events(), ["MemoryUsedUp"]);
    server.clients.take_request();
    server.reply(clients[0]);
    assert_eq!(server.clients.short_of_memory(), 0);
    server.data(clients[2], &WHOLE[1..]);
    let ready: Vec<_> = std::iter::from_fn(|| server.clients.take_request()).collect();
    assert_eq!(ready.len(), 2);
    assert_eq!(ready[1].0, clients[2]);
}

#[test]
fn who_waits_for_memory_for_too_long_is_closed() {
    let mut options = ClientOptions::default();
    options.memory = Some(1);
    let mut server = Server::new(10, options);
    let (one, two) = (server.accept(1).unwrap(), server.accept(2).unwrap());
    server.data(one, WHOLE);
    server.data(two, b"r");
    server.driver.take_events();
    assert_eq!(server.passes(90_000), ["close client 1"]);
    let told = ["refused: no memory for the request in time"];
    assert_eq!(server.driver.take_events(), told);
}

#[test]
fn a_drain_lets_idle_clients_go_and_answers_the_others_first() {
    let mut proxy = Proxy::new(1);
    let (idle, busy) = (proxy.client(), proxy.client());
    proxy.ask(busy, "a");
    proxy.connected(0);
    proxy.flow.drain(&mut proxy.driver);
    assert_eq!(proxy.driver.take(), ["leave client 0"]);
    let done = proxy.answer(0, "action=DUNNO\n\n");
    assert_eq!(done, ["reply 1: action=DUNNO||", "leave client 1"]);
    assert!(proxy.flow.clients().is_empty());
    _ = idle;
}

#[test]
fn a_drain_waits_for_the_rest_of_a_request_for_three_seconds_and_for_answers_as_before() {
    let mut server = Server::new(10, ClientOptions::default());
    let [busy, early, late, whole] = [1, 2, 3, 4].map(|last| server.accept(last).unwrap());
    server.data(early, b"r");
    server.passes(20_000);
    server.data(whole, b"r");
    server.data(late, b"r");
    server.data(busy, WHOLE);
    server.clients.drain(&mut server.driver);
    assert_eq!(server.passes(2_999), [""; 0]);
    server.data(whole, &WHOLE[1..]);
    assert_eq!(server.passes(1), ["close client 1", "close client 2"]);
    let told = ["refused: request not finished in time"; 2];
    assert_eq!(server.driver.take_events(), told);
    assert_eq!(server.passes(20_000), [""; 0]);
    for client in [busy, whole] {
        assert_eq!(server.clients.take_request().unwrap().0, client);
        server.reply(client);
    }
    assert!(server.clients.is_empty());
}

#[test]
fn garbage_closes_the_connection_with_what_has_come() {
    let mut server = Server::new(10, ClientOptions::default());
    let client = server.accept(1).unwrap();
    server.data(client, b"EHLO there\r\n");
    assert_eq!(server.driver.take(), ["close client 0"]);
    let events = server.driver.take_events();
    assert!(events[0].starts_with("refused: "), "{events:?}");
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let http = b"POST /?a=b HTTP/1.1\nhost=x\n\n";
    proxy.flow.client_data(client, http, &mut proxy.driver);
    assert_eq!(proxy.driver.take(), ["close client 0"]);
    assert_eq!(proxy.driver.take_events(), ["refused: foreign"]);
}

#[test]
fn unfinished_requests_leave_their_memory_to_others_after_a_second() {
    let mut options = ClientOptions::default();
    options.memory = Some(3 * 8 * 1024);
    let mut server = Server::new(10, options);
    let unfinished = [1, 2].map(|last| server.accept(last).unwrap());
    for client in unfinished {
        server.data(client, b"r");
    }
    server.passes(500);
    let other = server.accept(3).unwrap();
    server.data(other, b"r");
    server.driver.take_events();
    assert_eq!(server.passes(499), [""; 0]);
    server.passes(1_000);
    let told = ["refused: request not finished while others wait for memory"];
    assert_eq!(server.driver.take_events(), told, "one is enough");
    server.data(other, &WHOLE[1..]);
    assert_eq!(server.clients.take_request().unwrap().0, other);
}

#[test]
fn memory_is_looked_for_often_only_where_another_worker_may_give_some_back() {
    // The owner of the process's memory keeps a handle of it, and is no worker.
    let worker = |memory: &RequestMemory| {
        let mut server = Server::new(10, ClientOptions::default());
        let others = PlaceLimits {
            all: 1,
            per_address: None,
            per_user: None,
        };
        let unused = Clients::new(server.now, ClientOptions::default(), Places::new(others));
        let clients = std::mem::replace(&mut server.clients, unused);
        server.clients = clients.with_memory(memory.clone());
        server
    };
    let wakes_up_after = |server: &mut Server| {
        let (first, second) = (server.accept(1).unwrap(), server.accept(2).unwrap());
        server.data(first, b"r");
        server.data(second, b"r");
        assert_eq!(server.clients.short_of_memory(), 1);
        server.clients.next_timer().unwrap() - server.now
    };
    let memory = RequestMemory::new(Some(1));
    assert_eq!(wakes_up_after(&mut worker(&memory)), ms(1_000), "one");
    let memory = RequestMemory::new(Some(1));
    let _other = worker(&memory);
    assert_eq!(wakes_up_after(&mut worker(&memory)), ms(10), "two");
    let memory = RequestMemory::new(Some(1));
    drop(worker(&memory));
    assert_eq!(
        wakes_up_after(&mut worker(&memory)),
        ms(1_000),
        "one is left"
    );
}
