//! Connections of clients: what they go on through, and how they end.

use policy_testing::{
    eventually,
    process::{Daemon, request},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::service;

#[test]
fn a_client_connection_goes_on_through_failures_and_default_actions() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "-d", "DEFER_IF_PERMIT down"]);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    stub.stop();
    for _ in 0..5 {
        assert_eq!(client.ask_about("x"), "DEFER_IF_PERMIT down");
    }
    stub.restart();
    assert_eq!(
        client.ask_about("x"),
        "dunno",
        "a server that is down is still asked last"
    );
    daemon.stop();
}

#[test]
fn a_unix_client_that_goes_away_frees_the_connection_to_the_service() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let dir = TempDir::new().unwrap();
    let listen = format!("unix:{}", dir.path().join("policy.sock").display());
    let daemon = Daemon::start(&[&listen], &["-s", &service("a", &stub, ":::600")]);
    let client = daemon.connect();
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    drop(client);
    assert!(eventually(|| stub.open() == 0));
    daemon.stop();
}

#[test]
fn a_tcp_client_that_resets_its_connection_frees_the_one_to_the_service() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ":::600")]);
    let client = daemon.connect();
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    client.reset();
    assert!(eventually(|| stub.open() == 0));
    daemon.stop();
}

#[test]
fn a_unix_client_that_ends_its_side_first_and_goes_away_later_frees_the_connection() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let dir = TempDir::new().unwrap();
    let listen = format!("unix:{}", dir.path().join("policy.sock").display());
    let daemon = Daemon::start(&[&listen], &["-s", &service("a", &stub, ":::600")]);
    let client = daemon.connect();
    client.send(&request(&[]));
    client.shut_down_writing();
    assert!(stub.wait_requests(1));
    // By then the daemon has seen the end of this side.
    for _ in 0..100 {
        daemon.connect().ask(b"request=other\n\n");
    }
    drop(client);
    assert!(eventually(|| stub.open() == 0));
    daemon.stop();
}

#[test]
fn a_client_that_has_ended_its_side_still_gets_its_answers() {
    let stub = Stub::tcp(Script::default().held());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    client.send(&[request(&[]), request(&[])].concat());
    client.shut_down_writing();
    assert!(stub.wait_requests(1));
    stub.release();
    assert_eq!(client.action(), "dunno");
    assert_eq!(client.action(), "dunno");
    assert!(client.is_ended());
    daemon.stop();
}

#[test]
fn requests_sent_without_waiting_are_answered_in_their_order() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    let requests: Vec<u8> = (0..100)
        .flat_map(|mark| request(&[("sender", &mark.to_string())]))
        .collect();
    client.send(&requests);
    for mark in 0..100 {
        assert_eq!(client.action(), mark.to_string());
    }
    daemon.stop();
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
