//! What is logged, how often, and that it stops no mail.

use std::time::Instant;

use tempfile::TempDir;

use crate::{
    process::{self, Client, Daemon, HAPOLICY, request},
    service,
    support::{
        eventually,
        stub::{Script, Stub},
    },
};

#[test]
fn a_change_of_state_is_one_line_and_a_warning_is_not_repeated() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    stub.stop();
    let begin = Instant::now();
    for _ in 0..30 {
        assert_eq!(client.ask_about("x"), "dunno");
        client.send(b"request=junk\n\n");
        assert_eq!(client.action(), "dunno");
        let mut stranger = daemon.connect();
        stranger.try_send(b"no attribute\n");
        assert!(stranger.is_ended());
    }
    let most = 1 + begin.elapsed().as_secs() as usize / 10;
    stub.restart();
    for _ in 0..5 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    let count = |part| process::lines(&log, part).len();
    assert_eq!(count("'a' (127.0.0.1:"), count("'a'"), "{log}");
    assert_eq!(count(" is down"), 1, "{log}");
    assert_eq!(count(" is up"), 1, "{log}");
    for part in [
        "Could not open socket",
        "closing a connection",
        "unrecognized request type",
    ] {
        assert!((1..=most).contains(&count(part)), "{part}: {log}");
    }
}

#[test]
fn a_line_per_attempt_is_written_when_asked_for() {
    let (bad, good) = (
        Stub::tcp(Script::bytes("no\n")),
        Stub::tcp(Script::answer("REJECT x")),
    );
    let services = [service("bad", &bad, ":1:2"), service("good", &good, ":2:3")];
    let daemon = Daemon::tcp(&["-l", "-s", &services[0], "-s", &services[1]]);
    let mut client = daemon.connect();
    client.ask(&request(&[
        ("client_name", "c.example"),
        ("client_address", "192.0.2.1"),
        ("helo_name", "h"),
        ("sender", "s@example"),
        ("recipient", "r@example"),
    ]));
    let log = daemon.stop().out;
    let (bad, good) = (bad.address(), good.address());
    let who =
        "delay: 0s, client: c.example[192.0.2.1], helo: <h>, from: <s@example>, to: <r@example>";
    let expected = [
        format!(
            "[LOG info]: [bad] ({bad}), prio: 1, weight: 2, queries: 1, answers: 0, failed: 1, {who}, action: ''"
        ),
        format!(
            "[LOG info]: [good] ({good}), prio: 2, weight: 3, queries: 1, answers: 1, failed: 0, {who}, action: 'REJECT x'"
        ),
    ];
    assert_eq!(process::lines(&log, "queries: "), expected);
}

#[test]
fn a_reader_of_the_log_that_stops_reading_stops_no_mail() {
    let stub = Stub::tcp(Script::default());
    let (reader, writer) = std::io::pipe().unwrap();
    let dir = TempDir::new().unwrap();
    let endpoint = format!("unix:{}", dir.path().join("policy.sock").display());
    let mut daemon = process::Process::untouched(
        std::process::Command::new(HAPOLICY)
            .args([
                "-L",
                "-v",
                "--listen",
                &endpoint,
                "-s",
                &service("a", &stub, ""),
            ])
            .stdin(std::process::Stdio::null())
            .stdout(writer),
    );
    assert!(eventually(|| Client::try_connect(&endpoint).is_ok()));
    let mut client = Client::connect(&endpoint);
    let long = "x".repeat(1000);
    for _ in 0..1000 {
        assert_eq!(client.ask(&request(&[("sender", &long)])), "dunno");
    }
    assert!(daemon.is_running());
    daemon.signal(process::Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
    drop(reader);
}
