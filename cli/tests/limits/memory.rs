//! `--max-memory`: whatever clients and services send, a daemon takes no more, and loses nothing.

use std::fs;

use policy_testing::{
    admin::{address, get, value},
    eventually,
    process::{Client, Daemon, lines, request, warnings},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

#[test]
fn clients_with_large_requests_that_do_not_end_are_bounded_and_a_usual_request_is_answered() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let dir = TempDir::new().unwrap();
    // A client's socket holds a request that is not read.
    let listen = format!("unix:{}", dir.path().join("policy.sock").display());
    let service = format!("a={}", stub.address());
    let args = ["-s", &service, "-d", "none", "--max-memory", "4M"];
    let daemon = Daemon::start(&[&listen], &args);
    let mut honest = daemon.connect();
    assert_eq!(honest.ask(&marked("honest")), "honest");
    let before = resident(&daemon);

    // Of a type that is answered at once, and not forwarded.
    let pad = format!("pad={}\n", "x".repeat(995));
    let large = format!("request=other\n{}\n", pad.repeat(120));
    let (begun, rest) = large.as_bytes().split_at(119_000);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| daemon.connect()).collect();
    for client in &clients {
        client.send(begun);
    }
    assert!(
        daemon.process.out.wait_lines(1, USED_UP),
        "{}",
        daemon.process.out.text()
    );
    for number in 0..100 {
        let mark = format!("honest {number}");
        assert_eq!(honest.ask(&marked(&mark)), mark);
    }
    let grown = resident(&daemon).saturating_sub(before);
    // All that they have sent is 24 MB.
    assert!(grown < 8 << 20, "{grown} bytes");

    for client in &clients {
        client.send(rest);
    }
    for client in &mut clients {
        assert_eq!(client.action(), "none");
    }
    assert!(
        daemon
            .process
            .out
            .wait_lines(1, "memory for requests is free again, ")
    );
    let log = daemon.stop().out;
    assert_eq!(warnings(&log).len(), 1, "{log}");
    let waited = format!("again, {} have waited", CLIENTS - 7);
    assert_eq!(lines(&log, &waited).len(), 1, "{log}");
}

#[test]
fn requests_beyond_the_memory_for_them_are_not_read_until_others_are_answered() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)).held());
    let service = format!("a={}:::60", stub.address());
    let args = ["-s", &service, "-d", "none", "--max-memory", "1M"];
    let more = ["--workers", "1", "--admin", "inet:127.0.0.1:0"];
    let daemon = Daemon::tcp(&[&args[..], &more].concat());
    assert!(daemon.process.out.wait_lines(1, "metrics at "));
    let admin = address(&daemon.process.out.text()).unwrap();
    let waited = || value(&get(&admin, "/metrics").body, "hapolicy_memory_waits_total");
    assert_eq!(waited().to_string(), "0");
    let mut clients: Vec<Client> = (0..100).map(|_| daemon.connect()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&marked(&number.to_string()));
    }
    assert!(stub.wait_requests(64));
    assert!(
        daemon
            .process
            .out
            .wait_lines(1, "(--max-memory 1M): new requests wait")
    );
    assert_eq!(stub.requests().len(), 64);
    assert!(eventually(|| waited() >= 1.0));
    stub.release();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.action(), number.to_string());
    }
    daemon.stop();
}

#[test]
fn answers_that_do_not_end_are_bounded() {
    let endless = Stub::tcp(Script::bytes("note=and so on\n".repeat(8000)));
    let service = format!("a={}:::2", endless.address());
    let args = ["-s", &service, "-d", "none", "--max-memory", "1M"];
    let daemon = Daemon::tcp(&[&args[..], &["--max-connections", "200"]].concat());
    let mut clients: Vec<Client> = (0..60).map(|_| daemon.connect()).collect();
    let before = resident(&daemon);
    for (number, client) in clients.iter().enumerate() {
        client.send(&marked(&number.to_string()));
    }
    assert!(endless.wait_requests(60));
    assert!(
        daemon.process.out.wait_lines(1, USED_UP),
        "{}",
        daemon.process.out.text()
    );
    let grown = resident(&daemon).saturating_sub(before);
    // All that it has sent is 7 MB.
    assert!(grown < 4 << 20, "{grown} bytes");
    for client in &mut clients {
        assert_eq!(client.action(), "none");
    }
    daemon.stop();
}

#[test]
fn a_client_that_leaves_while_its_request_waits_holds_nobody_up() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)).held());
    let service = format!("a={}:::60", stub.address());
    let args = ["-s", &service, "-d", "none", "--max-memory", "1M"];
    let daemon = Daemon::tcp(&[&args[..], &["--workers", "1"]].concat());
    let mut first: Vec<Client> = (0..64).map(|_| daemon.connect()).collect();
    for client in &first {
        client.send(&marked("first"));
    }
    assert!(stub.wait_requests(64));
    let leave: Vec<Client> = (0..100).map(|_| daemon.connect()).collect();
    for client in &leave {
        client.send(b"request=");
    }
    let mut last = daemon.connect();
    last.send(&marked("last"));
    assert!(
        daemon.process.out.wait_lines(1, USED_UP),
        "{}",
        daemon.process.out.text()
    );
    drop(leave);
    stub.release();
    for client in &mut first {
        assert_eq!(client.action(), "first");
    }
    assert_eq!(last.action(), "last");
    let log = daemon.stop().out;
    assert_eq!(warnings(&log).len(), 1, "{log}");
}

#[test]
fn clients_that_wait_for_memory_free_their_places_when_the_deadline_is_over() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let service = format!("a={}", stub.address());
    let args = ["-s", &service, "-d", "none", "--max-memory", "1M"];
    let small = ["--request-timeout", "1s", "--deadline", "2s"];
    let places = ["--max-clients", "20"];
    let daemon = Daemon::tcp(&[&args[..], &small, &places].concat());
    let large = marked(&"x".repeat(7000));
    let mut clients: Vec<Client> = (0..20).map(|_| daemon.connect()).collect();
    for client in &clients {
        client.send(&large[..large.len() - 2]);
    }
    for client in &mut clients {
        assert_eq!(client.reply(), None, "it is closed");
    }
    let mut honest: Vec<Client> = (0..10).map(|_| daemon.connect()).collect();
    for client in &mut honest {
        assert_eq!(client.ask(&marked("honest")), "honest");
    }
    let log = daemon.stop().out;
    let said = "its request has waited for memory for as long as --deadline allows";
    // The others are counted at the end.
    assert_eq!(lines(&log, said).len(), 2, "{log}");
}

/// A request that is answered by this mark.
fn marked(mark: &str) -> Vec<u8> {
    request(&[("sender", mark)])
}

fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}

/// The memory of a daemon in bytes.
fn resident(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let resident = lines(&status, "VmRSS:").concat();
    let kilobytes = resident.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

const CLIENTS: usize = 200;
const USED_UP: &str = "[LOG warning]: warning: memory for requests is used up (--max-memory ";
