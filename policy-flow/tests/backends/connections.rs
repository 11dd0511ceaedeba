//! Connections of a backend: those that are kept, and those that a backend serves at once.

use std::time::Duration;

use policy_flow::{Address, BackendConfig, ClientId, ClientOptions, UpstreamOptions};
use policy_ha::{BackendId, Mode, Status};

use crate::{
    DUNNO, named,
    support::{Proxy, ms},
};

#[test]
fn a_time_out_over_a_connection_that_was_kept_closes_the_others_that_are() {
    let mut proxy = Proxy::new(1);
    let clients = asking(&mut proxy, 3);
    for link in 0..3 {
        proxy.answer(link, DUNNO);
    }
    assert_eq!(proxy.ask(clients[0], "b"), ["send 2: b"]);
    let done = proxy.passes(ms(10_000));
    assert_eq!(
        done,
        ["close 2", "close 0", "close 1", "reply 0: action=DUNNO||"]
    );
}

#[test]
fn a_connection_that_is_not_answered_while_others_are_idle_has_them_closed() {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    // Two processes serve two connections, and wait for the next request of each.
    keeps_the_last_waiting(&mut proxy, &clients, ms(1_000));
    assert_eq!(proxy.driver.take_events(), [""; 0], "it may be slow");
    keeps_the_last_waiting(&mut proxy, &clients, ms(1_000));
    assert_eq!(proxy.driver.take_events(), ["0 serves 2"]);
    proxy.ask(clients[0], "b");
    proxy.ask(clients[1], "b");
    assert_eq!(
        proxy.ask(clients[2], "b"),
        [""; 0],
        "it waits for one of the two"
    );
}

#[test]
fn an_answer_that_is_slow_now_and_then_is_not_taken_for_a_limit_of_connections() {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    for _ in 0..3 {
        // Others are closed for it, and its answer comes soon after that, by chance.
        keeps_the_last_waiting(&mut proxy, &clients, ms(1_200));
        for link in ask_all(&mut proxy, &clients) {
            proxy.answer(link, DUNNO);
        }
        assert_eq!(proxy.driver.take_events(), [""; 0], "three were served");
        proxy
            .flow
            .upstream_mut()
            .unwrap()
            .close_idle(&mut proxy.driver);
        proxy.passes(ms(1));
    }
}

#[test]
fn a_backend_that_is_slow_keeps_its_connections() {
    let mut proxy = Proxy::new(1);
    let clients = asking(&mut proxy, 3);
    proxy.passes(ms(1_000));
    proxy.passes(ms(1_000));
    for link in 0..3 {
        proxy.answer(link, DUNNO);
    }
    assert_eq!(proxy.ask(clients[0], "b"), ["send 2: b"]);
    assert_eq!(proxy.ask(clients[1], "b"), ["send 1: b"]);
    assert_eq!(proxy.driver.take_events(), [""; 0]);
}

#[test]
fn a_process_that_stood_still_keeps_its_other_connections_and_its_service() {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
    for link in 0..2 {
        proxy.answer(link, DUNNO);
    }
    assert_eq!(proxy.ask(clients[0], "b"), ["send 1: b"]);
    let done = proxy.stands_still(ms(10_101));
    assert_eq!(done, ["close 1", "reply 0: action=DUNNO||"]);
    assert_eq!(proxy.ask(clients[1], "b"), ["send 0: b"]);
}

#[test]
fn a_connection_that_becomes_idle_while_another_waits_for_its_first_answer_is_closed_a_second_later()
 {
    let mut proxy = Proxy::new(1);
    asking(&mut proxy, 2);
    proxy.passes(ms(1_000));
    proxy.passes(ms(500));
    proxy.answer(0, DUNNO);
    assert_eq!(proxy.passes(ms(500)), ["close 0"]);
    assert_eq!(proxy.answer(1, DUNNO), ["reply 1: action=DUNNO||"]);
}

#[test]
fn a_request_that_waits_at_a_full_socket_gets_the_connection_that_becomes_idle() {
    let mut proxy = Proxy::new(1);
    let (one, two) = (proxy.client(), proxy.client());
    proxy.ask(one, "a");
    proxy.connected(0);
    proxy.driver.is_full = true;
    assert_eq!(proxy.ask(two, "b"), ["connect 1 to 0"]);
    let done = proxy.answer(0, DUNNO);
    assert_eq!(done, ["send 0: b", "reply 0: action=DUNNO||"]);
    assert_eq!(proxy.answer(0, DUNNO), ["reply 1: action=DUNNO||"]);
    let id = proxy.shared.balancer().ids().next().unwrap();
    assert_eq!(proxy.shared.open(id), 1);
}

#[test]
fn one_that_needs_a_new_connection_keeps_no_other_from_an_idle_one() {
    let mut options = UpstreamOptions::default();
    options.max_opening = 1;
    let backends = vec![BackendConfig::default()];
    let mut proxy = Proxy::with(backends, options, ClientOptions::default());
    let clients: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    for (link, client) in (0..3).zip(&clients) {
        proxy.ask(*client, "a");
        proxy.connected(link);
        proxy.passes(ms(20));
    }
    for link in 0..3 {
        proxy.answer(link, DUNNO);
    }
    assert_eq!(proxy.ask(clients[0], "x"), ["send 2: x"]);
    assert_eq!(proxy.ask(clients[1], "y"), ["send 1: y"]);
    assert_eq!(proxy.ended(1), ["close 1", "connect 3 to 0"]);
    assert_eq!(proxy.ask(clients[2], "z"), ["send 0: z"]);
    assert_eq!(
        proxy.ended(0),
        ["close 0"],
        "it waits until that one is accepted"
    );
    assert_eq!(proxy.ask(clients[3], "w"), [""; 0]);
    let done = proxy.answer(2, DUNNO);
    assert_eq!(done, ["send 2: w", "reply 0: action=DUNNO||"]);
}

#[test]
fn a_request_whose_attempt_has_failed_is_not_given_a_connection_for_that_attempt() {
    let mut proxy = Proxy::new(2);
    proxy
        .shared
        .balancer()
        .set_mode(BackendId::new(1).unwrap(), Mode::Disabled);
    let clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    // It is learned that the backend serves two.
    keeps_the_last_waiting(&mut proxy, &clients, ms(1_000));
    keeps_the_last_waiting(&mut proxy, &clients, ms(1_000));
    assert_eq!(proxy.driver.take_events(), ["0 serves 2"]);
    // That is believed until this attempt fails.
    proxy.passes(ms(59_400));
    proxy.ask(clients[0], "b");
    proxy.ask(clients[1], "b");
    proxy.driver.take();
    assert_eq!(proxy.ask(clients[2], "b"), [""; 0], "it waits");
    let opened = proxy.passes(ms(1_000));
    assert!(opened[0].starts_with("connect"), "one more is tried");
    let link = link_of(&opened);
    let done = [
        format!("close {link}"),
        "reply 2: action=DUNNO||".to_owned(),
    ];
    assert_eq!(proxy.failed(link), done);
    assert_eq!(proxy.shared.open(BackendId::new(0).unwrap()), 2);
}

#[test]
fn requests_that_are_given_up_while_they_wait_leave_nothing_behind() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let mut is_there = BackendConfig::default();
    is_there.address = Some(Address::Other(0));
    for backend in [named(), is_there] {
        let has_name = !backend.host.is_empty();
        let mut proxy = Proxy::with(vec![backend], options.clone(), ClientOptions::default());
        if !has_name {
            let first = proxy.client();
            proxy.ask(first, "a");
        }
        let mut sizes = [0; 2].map(|_| {
            for _ in 0..100 {
                let client = proxy.client();
                proxy.ask(client, "b");
                proxy.flow.client_gone(client, &mut proxy.driver);
                proxy.passes(ms(0));
            }
            format!("{:?}", proxy.flow.upstream()).len()
        });
        // Numbers have become longer, and timers are still set.
        sizes[0] += 500;
        assert!(sizes[1] < sizes[0], "{sizes:?}, has a name: {has_name}");
    }
}

/// So many clients that have asked, each over a connection of its own.
#[test]
fn an_answer_in_the_moment_of_a_failure_shows_that_the_backend_is_there() {
    let mut proxy = Proxy::new(1);
    asking(&mut proxy, 3);
    proxy.answer(0, DUNNO);
    proxy.failed(1);
    let id = BackendId::new(0).unwrap();
    let is_up = |proxy: &Proxy| proxy.shared.balancer().status(id) == Status::Up;
    assert!(!is_up(&proxy), "it failed after it had answered");
    proxy.answer(2, DUNNO);
    assert!(is_up(&proxy), "it answered after it had failed");
}

fn asking(proxy: &mut Proxy, count: u32) -> Vec<ClientId> {
    let ask = |link| {
        let client = proxy.client();
        proxy.ask(client, "a");
        proxy.connected(link);
        client
    };
    (0..count).map(ask).collect()
}

/// The connection that the first of these steps is about.
fn link_of(done: &[String]) -> u32 {
    let number = done[0].split([' ', ':']).nth(1);
    number.and_then(|number| number.parse().ok()).unwrap()
}

/// Each of these clients asks at once, and this is the connection that its request goes over.
fn ask_all(proxy: &mut Proxy, clients: &[ClientId]) -> Vec<u32> {
    let ask = |client: &ClientId| {
        let done = proxy.ask(*client, "a");
        let link = link_of(&done);
        if done[0].starts_with("connect") {
            proxy.connected(link);
        }
        link
    };
    clients.iter().map(ask).collect()
}

/// Three clients ask at once. Two have their answers at once, and their connections become idle; the last one has its
/// answer after so long, a second at least.
fn keeps_the_last_waiting(proxy: &mut Proxy, clients: &[ClientId], time: Duration) {
    let links = ask_all(proxy, clients);
    proxy.answer(links[0], DUNNO);
    proxy.answer(links[1], DUNNO);
    proxy.passes(ms(20));
    let closed = proxy.passes(ms(980));
    assert_eq!(closed, [0, 1].map(|nth| format!("close {}", links[nth])));
    assert_eq!(proxy.driver.take_events(), [""; 0], "it may hang");
    proxy.passes(time - ms(1_000));
    assert_eq!(proxy.answer(links[2], DUNNO), ["reply 2: action=DUNNO||"]);
}
