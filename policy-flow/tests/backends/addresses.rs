//! Addresses of a name: the order in which they are tried, and look-ups.

use std::io;

use policy_flow::{Address, ClientOptions, Failure, Slot, UpstreamOptions};

use crate::{
    DUNNO, SECOND, named,
    support::{Proxy, ms},
};

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
