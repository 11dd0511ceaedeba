//! Message affinity: the requests about one message go to one server.

use std::collections::BTreeSet;

use policy_testing::{
    eventually,
    process::{Client, Daemon, request},
    stub::{Reply, Script, Stub},
};

use crate::service;

#[test]
fn requests_about_one_message_go_to_the_server_that_answered_its_first() {
    let (a, b) = two();
    let daemon = Daemon::tcp(&["-s", &service("a", &a, ""), "-s", &service("b", &b, "")]);
    let mut client = daemon.connect();
    let mut first = Vec::new();
    for message in 0..10 {
        let instance = format!("{message}.x");
        first.push(client.ask_about(&instance));
        for _ in 0..4 {
            assert_eq!(Some(&client.ask_about(&instance)), first.last());
        }
    }
    let servers: BTreeSet<_> = first.iter().collect();
    assert_eq!(
        servers.len(),
        2,
        "messages are shared among servers: {first:?}"
    );
    daemon.stop();
}

#[test]
fn a_message_stays_with_the_server_that_took_over() {
    // All requests here have the same state, and so the same key.
    for balance in ["round-robin", "least-loaded", "hash:protocol_state"] {
        let world = World::with_b_stuck_to("x", &["--balance", balance]);
        let mut client = world.client;
        let answer = client.ask_about("x");
        assert_eq!(answer, "b", "a is up, and comes first: {balance}");
        assert_eq!(client.ask_about("x"), "b", "{balance}");
        world.daemon.stop();
    }
}

#[test]
fn an_empty_instance_never_sticks_and_forgets_the_server_that_stuck() {
    let world = World::with_b_stuck_to("x", &[]);
    let mut client = world.client;
    assert_eq!(client.ask_about(""), "a");
    assert_eq!(client.ask_about("x"), "a", "forgotten");
    world.daemon.stop();
}

#[test]
fn a_request_without_an_instance_forgets_the_server_that_stuck() {
    let world = World::with_b_stuck_to("x", &[]);
    let mut client = world.client;
    assert_eq!(client.ask(&request(&[])), "a");
    assert_eq!(client.ask_about("x"), "a");
    world.daemon.stop();
}

#[test]
fn another_message_is_on_its_own() {
    let world = World::with_b_stuck_to("x", &[]);
    let mut client = world.client;
    assert_eq!(client.ask_about("y"), "a");
    world.daemon.stop();
}

#[test]
fn another_connection_is_on_its_own() {
    let world = World::with_b_stuck_to("x", &[]);
    assert_eq!(world.daemon.connect().ask_about("x"), "a");
    world.daemon.stop();
}

#[test]
fn a_message_leaves_its_server_when_that_fails() {
    let world = World::with_b_stuck_to("x", &[]);
    let mut client = world.client;
    world.b.set(Script::reply(Reply::CloseUnanswered));
    assert_eq!(client.ask_about("x"), "a");
    world.b.set(Script::answer("b"));
    assert_eq!(client.ask_about("x"), "a", "a has answered the last one");
    world.daemon.stop();
}

#[test]
fn without_affinity_each_request_goes_where_it_would_go_alone() {
    let world = World::with_b_stuck_to("x", &["--affinity", "none"]);
    let mut client = world.client;
    assert_eq!(client.ask_about("x"), "a");
    world.daemon.stop();

    let (a, b) = two();
    let services = [service("a", &a, ""), service("b", &b, "")];
    let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1], "--affinity", "none"]);
    let mut client = daemon.connect();
    for _ in 0..20 {
        client.ask_about("x");
    }
    assert_eq!((a.requests().len(), b.requests().len()), (10, 10));
    daemon.stop();
}

#[test]
fn an_empty_instance_is_shared_evenly_by_equal_servers() {
    let (a, b) = two();
    let daemon = Daemon::tcp(&["-s", &service("a", &a, ""), "-s", &service("b", &b, "")]);
    let mut client = daemon.connect();
    for _ in 0..20 {
        client.ask_about("");
    }
    assert_eq!((a.requests().len(), b.requests().len()), (10, 10));
    daemon.stop();
}

/// Two servers of which a comes first, and a connection whose message sticks to b, since a failed
/// for a moment. It is up again.
struct World {
    daemon: Daemon,
    client: Client,
    _a: Stub,
    b: Stub,
}

impl World {
    fn with_b_stuck_to(instance: &str, args: &[&str]) -> Self {
        let (a, b) = two();
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let all = ["-s", &services[0], "-s", &services[1]];
        let daemon = Daemon::tcp(&[&all, args].concat());
        let mut client = daemon.connect();
        a.set_sequence([Script::reply(Reply::CloseUnanswered), Script::answer("a")]);
        assert_eq!(client.ask_about(instance), "b");
        let mut other = daemon.connect();
        let back = eventually(|| other.ask_about("") == "a");
        assert!(back, "a is asked again when its rest is over");
        Self {
            daemon,
            client,
            _a: a,
            b,
        }
    }
}

fn two() -> (Stub, Stub) {
    (
        Stub::tcp(Script::answer("a")),
        Stub::tcp(Script::answer("b")),
    )
}
