//! `policy-client tap` in the middle: bytes and ends go through it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use policy_testing::{
    process::{Client, Process, Signal, policy_client, request},
    stub::{Reply, Script, Stub},
    within,
};

use super::Tap;
use crate::query::closed_port;

#[test]
fn bytes_go_through_as_they_are_whatever_they_are() {
    let reply = b"220 hello\n\xff\0action=OK\n\n".to_vec();
    let stub = Stub::tcp(Script::reply(Reply::Bytes(reply.clone())));
    let tap = Tap::start(&stub.address(), &[]);
    let client = tap.connect();
    let odd = b"x\n=\0\xff\r\nrubbish\n\n";
    client.send(odd);
    let mut got = Vec::new();
    while got.len() < reply.len() {
        got.extend(client.read_once());
    }
    assert_eq!(got, reply);
    assert!(stub.wait_requests(1));
    assert_eq!(stub.requests()[0], odd);
    assert!(tap.process.out.wait_lines(
        1,
        "the client sends something else than requests: no '=' in the line at byte 0: 'x'"
    ));
    let fault = "invalid answer: no 'action=' before the empty line: '\\xff\\x00action=OK'";
    assert!(tap.process.out.wait_lines(1, fault));
    tap.stop();
}

#[test]
fn the_end_of_either_side_goes_through() {
    let stub = Stub::tcp(Script::answer("OK").closing());
    let tap = Tap::start(&stub.address(), &[]);
    let mut client = tap.connect();
    assert_eq!(client.ask_about("x"), "OK");
    assert!(client.is_ended(), "the server's");
    drop(client);
    stub.set(Script::default());
    let mut client = tap.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    drop(client);
    assert!(
        within(policy_testing::process::PATIENCE, || stub.open() == 0),
        "the client's"
    );
    tap.stop();
}

#[test]
fn a_server_that_is_not_there_is_a_connection_that_ends() {
    let server = closed_port();
    let tap = Tap::start(&server, &[]);
    let mut client = TcpStream::connect(tap.endpoint.trim_start_matches("inet:")).unwrap();
    client.write_all(&request(&[("sender", "a@x")])).unwrap();
    let end = client.read(&mut [0]);
    assert_eq!(end.ok(), Some(0), "an end, and no reset");
    let error = format!(" sender=a@x recipient= -> (cannot connect to inet:{server}: ");
    assert!(tap.process.out.wait_lines(1, &error));
    // One that asks nothing.
    drop(tap.connect());
    let note = format!(": cannot connect to inet:{server}: ");
    assert!(tap.process.out.wait_lines(1, &note));
    let ended = tap.stop();
    assert!(
        ended.err.starts_with("0 answered, 1 without an answer in "),
        "{ended:?}"
    );
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let stub = Stub::tcp(Script::answer("late").held());
    let tap = Tap::start(&stub.address(), &[]);
    let mut client = tap.connect();
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    tap.process.signal(Signal::TERM);
    // It listens no more.
    let address = tap.endpoint.trim_start_matches("inet:").to_owned();
    assert!(within(policy_testing::process::PATIENCE, || {
        TcpStream::connect(&address).is_err()
    }));
    stub.release();
    assert_eq!(client.action(), "late");
    let ended = tap.process.end();
    assert!(ended.err.starts_with("1 answered, "), "{ended:?}");
}

#[test]
fn more_connections_than_are_allowed_wait() {
    let stub = Stub::tcp(Script::default());
    let tap = Tap::start(&stub.address(), &["--max-connections", "1"]);
    let mut first = tap.connect();
    assert_eq!(first.ask_about("x"), "dunno");
    let mut second = tap.connect();
    second.send(&request(&[]));
    assert_eq!(first.ask_about("x"), "dunno");
    assert_eq!(stub.connections(), 1);
    drop(first);
    assert_eq!(second.action(), "dunno");
    tap.stop();
}

/// Postfix does not care whether somebody looks on.
#[test]
fn a_reader_that_has_gone_does_not_end_it() {
    let stub = Stub::tcp(Script::default());
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = std::process::Command::new(policy_client());
    command
        .args(["tap", "inet:127.0.0.1:0", &stub.address()])
        .stdout(writer);
    let mut process = Process::untouched(&mut command);
    drop(command);
    let mut said = [0; 100];
    let count = reader.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..count]).into_owned();
    let endpoint = said.trim().strip_prefix("listening on ").unwrap();
    drop(reader);
    let mut client = Client::connect(endpoint);
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert!(process.is_running());
}
