//! Connections to services: which are kept, and which never used again.

use std::time::Duration;

use policy_testing::{
    process::{self, Daemon},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use crate::service;

#[test]
fn connections_to_a_service_outlive_clients() {
    let stub = Stub::tcp(Script::default());
    for (workers, most) in [("1", 1), ("2", 2)] {
        let before = stub.connections();
        let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "--workers", workers]);
        for _ in 0..20 {
            let mut client = daemon.connect();
            client.ask_about("x");
            client.ask_about("y");
        }
        // Each worker keeps its own.
        let opened = stub.connections() - before;
        assert!((1..=most).contains(&opened), "{opened}, {workers} workers");
        daemon.stop();
    }
}

#[test]
fn connections_to_a_service_on_a_unix_socket_are_kept_as_well() {
    let dir = TempDir::new().unwrap();
    let stub = Stub::unix(dir.path().join("policy.sock"), Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "--workers", "1"]);
    for _ in 0..10 {
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
    }
    assert_eq!(stub.connections(), 1);
    daemon.stop();
}

#[test]
fn connections_to_a_service_are_kept_for_as_long_as_is_said_and_grow_no_older_than_that() {
    for (args, connections) in [
        (&[][..], 1),
        (&["--keep", "0s"], 5),
        (&["--keep", "a=0s"], 5),
        (&["--keep", "0s", "--keep", "a=60s"], 1),
        (&["--max-age", "1ms"], 5),
    ] {
        // Each answer takes longer than a connection may be old.
        let stub = Stub::tcp(Script::default().after(Duration::from_millis(2)));
        let service = service("a", &stub, "");
        let one = ["-s", &service, "--workers", "1"];
        let daemon = Daemon::tcp(&[&one, args].concat());
        let mut client = daemon.connect();
        for _ in 0..5 {
            assert_eq!(client.ask_about("x"), "dunno");
        }
        assert_eq!(stub.connections(), connections, "{args:?}");
        daemon.stop();
    }
}

#[test]
fn a_service_may_be_given_by_name() {
    let stub = Stub::tcp(Script::default());
    // It listens on one of the addresses that the name may have.
    let service = format!("a=localhost:{}", stub.port());
    let daemon = Daemon::tcp(&["-s", &service]);
    let mut client = daemon.connect();
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert_eq!(stub.requests().len(), 3);
    let log = daemon.stop().out;
    assert_eq!(process::warnings(&log), [""; 0]);
}

#[test]
fn a_server_that_closes_after_each_answer_costs_its_clients_nothing() {
    let stub = Stub::tcp(Script::default().closing());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..50 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    assert_eq!(process::warnings(&log), [""; 0]);
}

#[test]
fn a_server_that_was_restarted_between_two_requests_is_not_blamed() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..10 {
        assert_eq!(client.ask_about("x"), "dunno");
        stub.restart();
    }
    let log = daemon.stop().out;
    assert_eq!(process::warnings(&log), [""; 0]);
}

#[test]
fn a_connection_that_still_owes_its_blank_line_is_not_used_again() {
    let stub = Stub::tcp(Script::bytes("action=dunno\n"));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert_eq!(stub.connections(), 3);
    daemon.stop();
}

#[test]
fn more_than_one_answer_to_a_request_is_never_taken_for_the_next_ones() {
    let stub = Stub::tcp(Script::bytes("action=dunno\n\naction=REJECT stale\n\n"));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..10 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    daemon.stop();
}
