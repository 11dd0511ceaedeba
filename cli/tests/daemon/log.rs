//! The log: its lines, how often they come, and that it stops no mail.

use std::time::Instant;

use policy_testing::{
    eventually,
    process::{self, Client, Daemon, hapolicy, request},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::service;

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
    // At the end the last of each is said that was held back.
    let most = most + 1;
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
fn what_has_taken_too_long_is_named() {
    let silent = Stub::tcp(Script::reply(Reply::Hang));
    let gone = Stub::tcp(Script::default());
    gone.drop_packets(true);
    let services = [
        service("silent", &silent, ":1:1:0.3"),
        service("gone", &gone, ":2:1:0.3"),
    ];
    let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1]]);
    let expected = [
        (
            "silent",
            silent.address(),
            "no answer within 300ms".to_owned(),
        ),
        (
            "gone",
            gone.address(),
            format!("connecting to {} timed out", gone.address()),
        ),
    ];
    let expected = expected.map(|(name, address, what)| {
        format!("warning: Timeout for '{name}' ({address}): {what}\n")
    });
    // A service is not blamed for a time in which the daemon stood still: then the next request tells.
    let are_told = eventually(|| {
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
        let log = daemon.process.out.text();
        expected.iter().all(|line| log.contains(line))
    });
    assert!(are_told, "{expected:?}: {}", daemon.process.out.text());
    daemon.stop();
}

#[test]
fn a_line_per_attempt_is_written_when_asked_for() {
    let (bad, good) = (
        Stub::tcp(Script::bytes("no\n")),
        Stub::tcp(Script::answer("REJECT x")),
    );
    let services = [service("bad", &bad, ":1:2"), service("good", &good, ":2:3")];
    let args = [
        "-l",
        "--log-format=classic",
        "-s",
        &services[0],
        "-s",
        &services[1],
    ];
    let daemon = Daemon::tcp(&args);
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
    let who = "client: c.example[192.0.2.1], helo: <h>, from: <s@example>, to: <r@example>";
    let expected = [
        format!(
            "[LOG info]: [bad] ({bad}), prio: 1, weight: 2, queries: 1, answers: 0, failed: 1, delay: *, {who}, action: ''"
        ),
        format!(
            "[LOG info]: [good] ({good}), prio: 2, weight: 3, queries: 1, answers: 1, failed: 0, delay: *, {who}, action: 'REJECT x'"
        ),
    ];
    let lines = process::lines(&log, "queries: ");
    let lines: Vec<String> = lines.iter().map(|line| without_millis(line)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn no_peer_can_write_what_a_line_does_not_say() {
    let action = "REJECT it's \\ <a>, client: v[203.0.113.8] \u{202e}\u{9b}";
    let answers = Stub::tcp(Script::answer(action));
    let babbles = Stub::tcp(Script::bytes(&b"no', \\ \x1b[2J \xff\n"[..]));
    let services = [service("a", &answers, ":2"), service("b", &babbles, ":1")];
    let args = [
        "-v",
        "--log-format=classic",
        "-s",
        &services[0],
        "-s",
        &services[1],
    ];
    let daemon = Daemon::tcp(&args);
    let mut client = daemon.connect();
    client.ask(&request(&[
        ("client_name", "v], helo: <x"),
        ("client_address", "192.0.2.1"),
        ("helo_name", "it's\u{85} [1]"),
        ("sender", "a> , client: v[203.0.113.8]@evil\u{2028}\u{2066}"),
        ("recipient", "o'brien+tag@[192.0.2.1]"),
        ("odd", "back\\slash\t\u{9d}"),
    ]));
    client.ask(b"request=it's\\ \xc2\x9b\xe9\n\n");
    let log = daemon.stop().out;
    assert!(log.is_ascii(), "{log}");
    let written = r"REJECT it\x27s \x5c <a>, client: v[203.0.113.8] \xe2\x80\xae\xc2\x9b";
    let about = r"client: v\x5d\x2c helo: \x3cx[192.0.2.1], helo: <it\x27s\xc2\x85 \x5b1\x5d>, from: <a\x3e \x2c client: v\x5b203.0.113.8\x5d@evil\xe2\x80\xa8\xe2\x81\xa6>, to: <o'brien+tag@[192.0.2.1]>";
    for end in [
        r"Attribute: odd=back\x5cslash?\xc2\x9d".to_owned(),
        r"Invalid answer from 'b' -> 'no\x27, \x5c ?[2J \xff'".to_owned(),
        format!("ms, {about}, action: ''"),
        format!("Answer from 'a' -> '{written}'"),
        format!("ms, {about}, action: '{written}'"),
        format!("Action: {}", written.replace(r"\x27", "'")),
        r"ignoring unrecognized request type: 'it\x27s\x5c \xc2\x9b\xe9'".to_owned(),
    ] {
        let count = log.lines().filter(|line| line.ends_with(&end)).count();
        assert_eq!(count, 1, "{end}: {log}");
    }
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let stub = Stub::tcp(Script::default());
    let args = ["-v", "--log-format=classic", "-s", &service("a", &stub, "")];
    let daemon = Daemon::tcp(&args);
    let long = "x".repeat(10_000);
    let request = request(&[("helo_name", &long), ("sender", "s")]);
    assert_eq!(daemon.connect().ask(&request), "dunno");
    let log = daemon.stop().out;
    let attribute = &process::lines(&log, "Attribute: helo_name=x")[0];
    assert_eq!(attribute.len(), "[LOG info]: ".len() + 8192);
    assert!(attribute.ends_with("x..."));
    let attempt = &process::lines(&log, "queries: 1")[0];
    assert!(
        attempt.ends_with("x...>, from: <s>, to: <>, action: 'dunno'"),
        "{attempt}"
    );
}

#[test]
fn a_reader_of_the_log_that_stops_reading_stops_no_mail() {
    let stub = Stub::tcp(Script::default());
    let (reader, writer) = std::io::pipe().unwrap();
    let dir = TempDir::new().unwrap();
    let endpoint = format!("unix:{}", dir.path().join("policy.sock").display());
    let mut daemon = process::Process::untouched(
        std::process::Command::new(hapolicy())
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
    assert_eq!(client.ask_about("x"), "dunno");
    let before = resident_kib(daemon.id());
    // 12 MB of lines, though fewer lines than may wait.
    let long = "x".repeat(8000);
    let long = request(&[("a", &*long); 10]);
    for _ in 0..150 {
        assert_eq!(client.ask(&long), "dunno");
    }
    assert!(daemon.is_running());
    let grown = resident_kib(daemon.id()).saturating_sub(before);
    assert!(grown < 6 << 10, "by {grown} KiB");
    daemon.signal(process::Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
    drop(reader);
}

/// A line of the classic format, whose delay is in milliseconds.
fn without_millis(line: &str) -> String {
    let (before, rest) = line.split_once("delay: ").expect(line);
    let (delay, rest) = rest.split_once("ms, ").expect(line);
    assert!(
        delay.parse::<f64>().is_ok_and(|delay| delay > 0.0),
        "{line}"
    );
    format!("{before}delay: *, {rest}")
}

/// How much memory a process has.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = process::lines(&status, "VmRSS:").remove(0);
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}
