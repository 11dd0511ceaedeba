//! Several backends: addresses, checks, permits among workers, lists that change.

#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

mod support;

use std::{io, time::Duration};

use policy_flow::{
    Address, BackendConfig, Check, ClientOptions, Failure, LinkId, Probe, Shared, Slot, Upstream,
    UpstreamOptions,
};
use policy_ha::{BackendId, Mode, Status};
use policy_proto::{Request, Response};
use support::{Proxy, Recorder, ms};

const DUNNO: &str = "action=DUNNO\n\n";
const SECOND: Duration = Duration::from_secs(1);

fn named() -> BackendConfig {
    let mut backend = BackendConfig::default();
    backend.host = "policy.example".into();
    backend
}

fn proxy_of_a_name() -> Proxy {
    Proxy::with(
        vec![named()],
        UpstreamOptions::default(),
        ClientOptions::default(),
    )
}

fn found(proxy: &mut Proxy, addresses: &[u64]) -> Vec<String> {
    let addresses = addresses
        .iter()
        .map(|number| Address::Other(*number))
        .collect();
    let slot = Slot::from_index(0);
    proxy.flow.resolved(slot, Ok(addresses), &mut proxy.driver);
    proxy.driver.take()
}

#[test]
fn an_address_that_does_not_answer_costs_a_quarter_of_a_second_once() {
    let mut proxy = proxy_of_a_name();
    let client = proxy.client();
    assert_eq!(proxy.ask(client, "a"), ["resolve 0"]);
    assert_eq!(found(&mut proxy, &[1, 2]), ["connect 0 to 0.1"]);
    assert_eq!(proxy.passes(ms(249)), [""; 0]);
    assert_eq!(proxy.passes(ms(1)), ["connect 1 to 0.2"]);
    assert_eq!(proxy.connected(1), ["close 0", "send 1: a"]);
    proxy.answer(1, DUNNO);
    let other = proxy.client();
    proxy.ask(client, "b");
    assert_eq!(
        proxy.ask(other, "c"),
        ["connect 2 to 0.2"],
        "the one that works comes first"
    );
}

#[test]
fn the_addresses_that_work_share_the_connections() {
    let mut proxy = proxy_of_a_name();
    let clients: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    proxy.ask(clients[0], "a");
    assert_eq!(found(&mut proxy, &[1, 2]), ["connect 0 to 0.1"]);
    assert_eq!(proxy.ask(clients[1], "b"), ["connect 1 to 0.2"]);
    assert_eq!(proxy.ask(clients[2], "c"), ["connect 2 to 0.1"]);
    assert_eq!(proxy.ask(clients[3], "d"), ["connect 3 to 0.2"]);
}

#[test]
fn a_connection_to_an_address_that_the_name_has_no_more_is_not_used_again() {
    let mut proxy = proxy_of_a_name();
    let client = proxy.client();
    proxy.ask(client, "a");
    found(&mut proxy, &[1]);
    proxy.connected(0);
    proxy.answer(0, DUNNO);
    proxy.passes(ms(59_000));
    proxy.ask(client, "b");
    proxy.answer(0, DUNNO);
    proxy.passes(ms(1_000));
    assert_eq!(
        proxy.ask(client, "c"),
        ["resolve 0", "send 0: c"],
        "the answer can wait"
    );
    assert_eq!(found(&mut proxy, &[2]), [""; 0], "it is in use");
    assert_eq!(
        proxy.answer(0, DUNNO),
        ["close 0", "reply 0: action=DUNNO||"]
    );
    assert_eq!(proxy.ask(client, "d"), ["connect 1 to 0.2"]);
}

#[test]
fn a_look_up_that_fails_leaves_the_older_addresses() {
    let mut proxy = proxy_of_a_name();
    let client = proxy.client();
    proxy.ask(client, "a");
    let failure = || Failure::Peer(io::Error::other("the resolver is down"));
    proxy
        .flow
        .resolved(Slot::from_index(0), Err(failure()), &mut proxy.driver);
    assert_eq!(proxy.driver.take(), ["reply 0: action=DUNNO||"]);
    proxy.passes(SECOND);
    assert_eq!(proxy.ask(client, "b"), ["resolve 0"], "it is asked again");
    found(&mut proxy, &[1]);
    proxy.connected(0);
    proxy.answer(0, DUNNO);
    proxy.passes(ms(60_000));
    assert_eq!(proxy.ask(client, "c"), ["resolve 0", "connect 0 to 0.1"]);
    proxy
        .flow
        .resolved(Slot::from_index(0), Err(failure()), &mut proxy.driver);
    proxy.driver.take_events();
    assert_eq!(proxy.connected(0), ["send 0: c"]);
}

#[test]
fn a_time_out_over_a_connection_that_was_kept_closes_the_others_that_are() {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
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
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
    // Two processes serve two connections, and wait for the next request of each.
    proxy.answer(0, DUNNO);
    proxy.answer(1, DUNNO);
    proxy.passes(ms(20));
    assert_eq!(proxy.passes(ms(980)), ["close 0", "close 1"]);
    assert_eq!(proxy.driver.take_events(), [""; 0], "it may hang");
    assert_eq!(proxy.answer(2, DUNNO), ["reply 2: action=DUNNO||"]);
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
fn a_backend_that_refused_is_up_again_when_it_can_be_connected_to() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let upstream = proxy.flow.upstream_mut().unwrap();
    upstream.check(Check::new(Duration::from_secs(5)));
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.take_events();
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
    assert_eq!(
        proxy.driver.take_events(),
        ["0 did not pass: cannot connect"]
    );
    proxy.driver.refuses = false;
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
    assert_eq!(proxy.connected(0), [""; 0]);
    assert_eq!(proxy.driver.take_events(), ["0 passed", "0 is up"]);
    assert_eq!(
        proxy.ask(client, "b"),
        ["send 0: b"],
        "its connection is kept"
    );
    assert_eq!(
        proxy.passes(ms(5_000)),
        [""; 0],
        "who is up is not looked at"
    );
}

#[test]
fn a_probe_wants_an_answer_and_this_one() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let request = Request::from_attributes([("instance", "probe")]).unwrap();
    let probe = Probe::new(request).expecting(Response::new("OK").unwrap());
    let check = Check::new(Duration::from_secs(5)).with_probe(probe);
    proxy.flow.upstream_mut().unwrap().check(check);
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.refuses = false;
    proxy.driver.take_events();
    proxy.passes(ms(5_000));
    assert_eq!(proxy.connected(0), ["send 0: probe"]);
    proxy.answer(0, DUNNO);
    let told = "0 did not pass: the probe was answered with another action";
    assert_eq!(proxy.driver.take_events(), [told]);
    proxy.passes(ms(5_000));
    proxy.connected(1);
    proxy.answer(1, "action=ok\n\n");
    assert_eq!(proxy.driver.take_events(), ["0 passed", "0 is up"]);
}

#[test]
fn a_backend_that_stays_keeps_its_connections_and_one_that_goes_is_closed() {
    let mut proxy = Proxy::new(2);
    let clients = [proxy.client(), proxy.client()];
    for (link, client) in (0..).zip(clients) {
        proxy.ask(client, "a");
        proxy.connected(link);
    }
    proxy.answer(0, DUNNO);
    // The other one is asked. Both were asked once, whoever was first.
    let ids: Vec<BackendId> = proxy.shared.balancer().ids().collect();
    let (stays, goes) = (ids[0], ids[1]);
    proxy.shared.balancer().set_mode(stays, Mode::Drain);
    let backends = [(policy_ha::Backend::default(), Some(stays))];
    let options = UpstreamOptions::default();
    let shared = proxy.shared.renewed(options.balancer, backends).unwrap();
    let stays = proxy.flow.upstream().unwrap().slot(stays).unwrap();
    let list = [(BackendConfig::default(), Some(stays))];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let slots = upstream.exchange(options, list, &shared, &mut proxy.driver);
    assert_eq!(slots, [stays]);
    let only = BackendId::new(0).unwrap();
    assert_eq!(shared.balancer().mode(only), Mode::Drain);
    proxy.driver.take();
    proxy.answer(1, DUNNO);
    assert_eq!(
        proxy.shared.open(goes),
        0,
        "it is answered, and its connection is closed"
    );
    assert_eq!(shared.open(only), 1);
}

#[test]
fn a_worker_without_a_permit_gets_that_of_an_idle_connection_of_another() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = std::time::Instant::now();
    let mut drivers = [Recorder::default(), Recorder::default()];
    let mut workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    let request = || Request::from_attributes([("instance", "a")]).unwrap();
    let [one, two] = &mut drivers;
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(LinkId::from_index(0), one);
    workers[1].ask(request(), None, 0, two);
    assert_eq!(two.take(), [""; 0], "it waits");
    workers[0].data(LinkId::from_index(0), DUNNO.as_bytes(), one);
    assert_eq!(
        one.take(),
        ["connect 0 to 0", "send 0: a", "close 0", "wake 1"]
    );
    workers[1].woken(two);
    assert_eq!(two.take(), ["connect 0 to 0"]);
    workers[1].connected(LinkId::from_index(0), two);
    workers[1].data(LinkId::from_index(0), DUNNO.as_bytes(), two);
    // Now the second one keeps it.
    workers[0].tick(one);
    workers[0].ask(request(), None, 0, one);
    assert_eq!(one.take(), ["wake 1"]);
    two.take();
    workers[1].woken(two);
    assert_eq!(two.take(), ["close 0", "wake 0"]);
    workers[0].woken(one);
    assert_eq!(one.take(), ["connect 0 to 0"]);
    let id = BackendId::new(0).unwrap();
    assert_eq!(
        (shared.open(id), shared.balancer().status(id)),
        (1, Status::Up)
    );
}

#[test]
fn a_backend_that_is_slow_keeps_its_connections() {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
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
fn a_connection_that_becomes_idle_is_closed_once_another_has_waited_twice_as_long_for_its_first_answer()
 {
    let mut proxy = Proxy::new(1);
    let clients: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
    proxy.passes(ms(1_000));
    proxy.passes(ms(500));
    proxy.answer(0, DUNNO);
    assert_eq!(proxy.passes(ms(1_499)), [""; 0]);
    assert_eq!(proxy.passes(ms(1)), ["close 0"]);
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
    for (link, client) in clients.iter().enumerate() {
        proxy.ask(*client, "a");
        proxy.connected(u32::try_from(link).unwrap());
    }
    // It is learned that the backend serves two.
    proxy.answer(0, DUNNO);
    proxy.answer(1, DUNNO);
    proxy.passes(ms(20));
    proxy.passes(ms(980));
    proxy.answer(2, DUNNO);
    assert_eq!(proxy.driver.take_events(), ["0 serves 2"]);
    // That is believed until this attempt fails.
    proxy.passes(ms(59_400));
    proxy.ask(clients[0], "b");
    proxy.ask(clients[1], "b");
    proxy.driver.take();
    assert_eq!(proxy.ask(clients[2], "b"), [""; 0], "it waits");
    let opened = proxy.passes(ms(1_000));
    assert_eq!(opened, ["connect 0 to 0"], "one more is tried");
    assert_eq!(proxy.failed(0), ["close 0", "reply 2: action=DUNNO||"]);
    assert_eq!(proxy.shared.open(BackendId::new(0).unwrap()), 2);
}

#[test]
fn checks_can_begin_again_after_they_have_ended() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let check = Check::new(Duration::from_secs(5));
    proxy.flow.upstream_mut().unwrap().check(check.clone());
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    let upstream = proxy.flow.upstream_mut().unwrap();
    upstream.end_checks(&mut proxy.driver);
    assert_eq!(proxy.passes(ms(5_000)), [""; 0]);
    proxy.flow.upstream_mut().unwrap().check(check);
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
}

#[test]
fn an_address_that_was_tried_later_is_not_put_behind_one_that_was_faster() {
    let mut proxy = proxy_of_a_name();
    let client = proxy.client();
    proxy.ask(client, "a");
    assert_eq!(found(&mut proxy, &[1, 2, 3]), ["connect 0 to 0.1"]);
    assert_eq!(proxy.passes(ms(250)), ["connect 1 to 0.2"]);
    assert_eq!(proxy.passes(ms(250)), ["connect 2 to 0.3"]);
    assert_eq!(proxy.failed(0), ["close 0"]);
    assert_eq!(proxy.connected(1), ["close 2", "send 1: a"]);
    let other = proxy.client();
    assert_eq!(
        proxy.ask(other, "b"),
        ["connect 3 to 0.3"],
        "it has no connection yet"
    );
}

#[test]
fn a_worker_that_knows_what_a_backend_serves_does_not_count_connections_of_others() {
    let options = UpstreamOptions::default();
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = std::time::Instant::now();
    let mut drivers = [Recorder::default(), Recorder::default()];
    let mut workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    let request = || Request::from_attributes([("instance", "a")]).unwrap();
    let link = LinkId::from_index;
    let [one, two] = &mut drivers;
    // The first one has three that are asked.
    for number in 0..3 {
        workers[0].ask(request(), None, 0, one);
        workers[0].connected(link(number), one);
    }
    // The second one learns that two of its own are served.
    for number in 0..3 {
        workers[1].ask(request(), None, 0, two);
        workers[1].connected(link(number), two);
    }
    for number in 0..2 {
        workers[1].data(link(number), DUNNO.as_bytes(), two);
    }
    for time in [20, 1_000] {
        workers[1].set_now(now + ms(time));
        workers[1].tick(two);
    }
    workers[1].data(link(2), DUNNO.as_bytes(), two);
    assert_eq!(two.take_events(), ["0 serves 2"]);
    two.take();
    workers[1].ask(request(), None, 0, two);
    assert_eq!(two.take(), ["send 2: a"]);
    workers[1].tick(two);
    workers[1].ask(request(), None, 0, two);
    assert_eq!(two.take().len(), 1, "it has one, and may have two");
}

#[test]
fn a_worker_whose_own_requests_wait_no_more_leaves_its_permits_to_others() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = std::time::Instant::now();
    let mut drivers = [Recorder::default(), Recorder::default()];
    let mut workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    let request = || Request::from_attributes([("instance", "a")]).unwrap();
    for ends in [true, false] {
        let [one, two] = &mut drivers;
        let link = LinkId::from_index(0);
        workers[0].ask(request(), None, 0, one);
        workers[0].connected(link, one);
        let gives_up = workers[0].ask(request(), None, 1, one);
        workers[0].cancel(gives_up, one);
        let waits = workers[1].ask(request(), None, 0, two);
        one.take();
        match ends {
            true => workers[0].ended(link, one),
            false => workers[0].data(link, DUNNO.as_bytes(), one),
        }
        assert_eq!(one.take(), ["close 0", "wake 1"], "ends: {ends}");
        workers[1].cancel(waits, two);
        workers[1].woken(two);
        for (worker, driver) in workers.iter_mut().zip(&mut drivers) {
            worker.tick(driver);
            driver.take();
        }
    }
}

#[test]
fn a_backend_whose_number_is_over_63_is_blamed_like_others() {
    let mut proxy = Proxy::new(1);
    let options = UpstreamOptions::default();
    let mut backend = BackendConfig::default();
    backend.address = Some(Address::Other(0));
    // The first one keeps its number until the next list.
    let list = vec![(policy_ha::Backend::default(), None); 64];
    let shared = proxy.shared.renewed(options.balancer, list).unwrap();
    let list = vec![(backend, None); 64];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let slots = upstream.exchange(options, list, &shared, &mut proxy.driver);
    assert_eq!(slots.last(), Some(&Slot::from_index(64)));
    // Only the first one and the last one are asked.
    let ids: Vec<BackendId> = shared.balancer().ids().collect();
    for id in &ids[1..63] {
        shared.balancer().set_mode(*id, Mode::Disabled);
    }
    let client = proxy.client();
    while !proxy
        .ask(client, "")
        .contains(&"connect 0 to 64".to_owned())
    {
        proxy.connected(0);
        proxy.answer(0, DUNNO);
        let upstream = proxy.flow.upstream_mut().unwrap();
        upstream.close_idle(&mut proxy.driver);
        proxy.passes(ms(0));
    }
    proxy.connected(0);
    assert_eq!(proxy.ended(0), ["close 0", "connect 1 to 1"]);
    proxy.connected(1);
    proxy.driver.take_events();
    proxy.answer(1, DUNNO);
    assert_eq!(proxy.driver.take_events(), ["64 is down"]);
}

#[test]
fn an_address_that_closes_instead_of_an_answer_goes_behind_the_others() {
    let mut proxy = proxy_of_a_name();
    let client = proxy.client();
    proxy.ask(client, "a");
    assert_eq!(found(&mut proxy, &[1, 2]), ["connect 0 to 0.1"]);
    proxy.connected(0);
    proxy.ended(0);
    proxy.passes(SECOND);
    assert_eq!(proxy.ask(client, "b"), ["connect 0 to 0.2"]);
}

#[test]
fn workers_with_fewer_permits_than_there_are_of_them_have_their_turns() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = std::time::Instant::now();
    let mut drivers = [Recorder::default(), Recorder::default()];
    let mut workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    let request = || Request::from_attributes([("instance", "a")]).unwrap();
    let link = LinkId::from_index(0);
    let [one, two] = &mut drivers;
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(link, one);
    workers[0].ask(request(), None, 1, one);
    workers[1].ask(request(), None, 0, two);
    one.take();
    workers[0].data(link, DUNNO.as_bytes(), one);
    assert_eq!(
        one.take(),
        ["close 0", "wake 1"],
        "though another of its own waits"
    );
    workers[1].woken(two);
    assert_eq!(two.take(), ["connect 0 to 0"]);
    workers[1].connected(link, two);
    workers[1].data(link, DUNNO.as_bytes(), two);
    assert_eq!(two.take(), ["send 0: a", "close 0", "wake 0"]);
    workers[0].tick(one);
    workers[0].woken(one);
    assert_eq!(one.take(), ["connect 0 to 0"]);
}

/// The same backend with other options.
fn exchange(proxy: &mut Proxy, options: UpstreamOptions) {
    let id = BackendId::new(0).unwrap();
    let backends = [(policy_ha::Backend::default(), Some(id))];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let shared = upstream.shared().renewed(options.balancer, backends);
    let list = [(BackendConfig::default(), upstream.slot(id))];
    upstream.exchange(options, list, &shared.unwrap(), &mut proxy.driver);
}

#[test]
fn who_waits_for_a_connection_gets_one_when_there_may_be_more() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let backends = vec![BackendConfig::default()];
    let mut proxy = Proxy::with(backends, options, ClientOptions::default());
    let clients = [proxy.client(), proxy.client()];
    proxy.ask(clients[0], "a");
    assert_eq!(proxy.ask(clients[1], "b"), [""; 0], "it waits");
    exchange(&mut proxy, UpstreamOptions::default());
    assert_eq!(proxy.driver.take(), ["connect 1 to 0"]);
}

#[test]
fn an_exchange_changes_the_limits_of_answers() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    let link = LinkId::from_index(0);
    let before = proxy.flow.link_room(link);
    let mut options = UpstreamOptions::default();
    options.memory = Some(1);
    options.limits.line = 20;
    exchange(&mut proxy, options);
    assert!(proxy.flow.link_room(link) < before);
    proxy.answer(0, "action=a text that is longer\n\n");
    let events = proxy.driver.take_events();
    assert!(
        events[0].starts_with("0 failed: invalid answer"),
        "{events:?}"
    );
}

#[test]
fn a_number_of_a_backend_that_was_removed_is_not_that_of_a_new_one() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    let removed = Slot::from_index(0);
    for known in [None, Some(removed)] {
        let options = UpstreamOptions::default();
        let upstream = proxy.flow.upstream_mut().unwrap();
        let backends = [(policy_ha::Backend::default(), None)];
        let shared = upstream.shared().renewed(options.balancer, backends);
        let list = [(BackendConfig::default(), known)];
        let slots = upstream.exchange(options, list, &shared.unwrap(), &mut proxy.driver);
        assert_ne!(slots, [removed], "it is still asked");
    }
}

#[test]
fn a_backend_is_not_checked_twice_at_once_after_an_exchange() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let request = Request::from_attributes([("instance", "probe")]).unwrap();
    let check = Check::new(Duration::from_secs(5)).with_probe(Probe::new(request));
    proxy.flow.upstream_mut().unwrap().check(check);
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.refuses = false;
    proxy.passes(ms(5_000));
    assert_eq!(proxy.connected(0), ["send 0: probe"]);
    exchange(&mut proxy, UpstreamOptions::default());
    assert_eq!(proxy.passes(ms(5_000)), [""; 0]);
}

#[test]
fn a_connection_that_is_not_answered_has_one_closed_that_another_worker_keeps() {
    let options = UpstreamOptions::default();
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = std::time::Instant::now();
    let mut drivers = [Recorder::default(), Recorder::default()];
    let mut workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    let request = || Request::from_attributes([("instance", "a")]).unwrap();
    let [one, two] = &mut drivers;
    let link = LinkId::from_index(0);
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(link, one);
    workers[0].data(link, DUNNO.as_bytes(), one);
    workers[1].ask(request(), None, 0, two);
    workers[1].connected(link, two);
    one.take();
    two.take();
    for (time, done) in [(20, &[][..]), (1_000, &["wake 0"])] {
        workers[1].set_now(now + ms(time));
        workers[1].tick(two);
        assert_eq!(two.take(), *done);
    }
    workers[0].woken(one);
    assert_eq!(one.take(), ["close 0"]);
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
