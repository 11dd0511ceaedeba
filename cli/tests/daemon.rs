//! `hapolicy --listen`, seen by its clients, by the services behind it, and in its log.

mod process;
mod support;

use std::{collections::BTreeSet, time::Instant};

use process::{Client, Daemon, HAPOLICY, request, run};
use support::{
    eventually,
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

// Message affinity

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

// Connections

#[test]
fn connections_to_a_service_outlive_clients() {
    let stub = Stub::tcp(Script::default());
    for workers in ["1", "2"] {
        let before = stub.connections();
        let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "--workers", workers]);
        for _ in 0..20 {
            let mut client = daemon.connect();
            client.ask_about("x");
            client.ask_about("y");
        }
        assert_eq!(stub.connections() - before, 1, "{workers} workers");
        daemon.stop();
    }
}

#[test]
fn connections_to_a_service_on_a_unix_socket_are_kept_as_well() {
    let dir = TempDir::new().unwrap();
    let stub = Stub::unix(dir.path().join("policy.sock"), Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    for _ in 0..10 {
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
    }
    assert_eq!(stub.connections(), 1);
    daemon.stop();
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
    assert_eq!(process::lines(&log, "warning"), [""; 0]);
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
    assert_eq!(process::lines(&log, "warning"), [""; 0]);
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
    assert_eq!(process::lines(&log, "warning"), [""; 0]);
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

// Starting

#[test]
fn an_invalid_service_ends_the_start_with_78_and_one_line() {
    let stub = Stub::tcp(Script::default());
    for invalid in [
        "a",
        "a=",
        "=127.0.0.1:1",
        "a=127.0.0.1",
        "a=127.0.0.1:",
        "a=:1",
        "a=127.0.0.1:70000",
        "a=127.0.0.1:no-such-service",
        "a=2001:db8::1:10031",
        "a=unix:relative",
        "a=0:25",
        "a=127.0.0.1:0",
        "a=one,two:1",
    ] {
        let args = [
            "--listen",
            "inet:127.0.0.1:0",
            "-s",
            &service("good", &stub, ""),
            "-s",
            invalid,
        ];
        let ended = run(HAPOLICY, &args);
        assert_eq!(ended.code, Some(78), "{invalid}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{invalid}: {ended:?}");
        assert_eq!(ended.out, "", "{invalid}");
        let name = invalid.split('=').next().unwrap_or_default();
        assert!(
            ended.err.contains(invalid) || ended.err.contains(&format!("'{name}'")),
            "{ended:?}"
        );
    }
}

#[test]
fn a_daemon_without_services_does_not_start() {
    let ended = run(HAPOLICY, &["--listen", "inet:127.0.0.1:0"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn sixty_four_services_are_taken_and_one_more_is_not() {
    let stub = Stub::tcp(Script::default());
    let services: Vec<String> = (0..65)
        .flat_map(|number| ["-s".to_owned(), service(&format!("s{number}"), &stub, "")])
        .collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let daemon = Daemon::tcp(&services[..128]);
    let mut client = daemon.connect();
    for _ in 0..64 {
        assert_eq!(client.ask_about(""), "dunno");
    }
    assert_eq!(stub.connections(), 64, "each service has had its turn");
    daemon.stop();

    let all = [&["--listen", "inet:127.0.0.1:0"], &services[..]].concat();
    let ended = run(HAPOLICY, &all);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("s64"), "{ended:?}");
}

#[test]
fn a_field_that_is_wrong_is_a_warning_and_the_daemon_starts() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ":high:abc:0.01:more")]);
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    let warnings = process::lines(&daemon.stop().out, "[LOG warning]: ");
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for found in ["'high'", "'abc'", "'0.01'"] {
        assert_eq!(
            warnings.iter().filter(|line| line.contains(found)).count(),
            1,
            "{warnings:?}"
        );
    }
}

// Bad input

#[test]
fn a_request_of_another_type_gets_the_default_action_and_is_not_forwarded() {
    let stub = Stub::tcp(Script::answer("REJECT"));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "-d", "DEFER later"]);
    let mut client = daemon.connect();
    for other in [
        &b"request=junk\nsender=x\n\n"[..],
        b"sender=x\n\n",
        b"request=\n\n",
        b"request=SMTPD_ACCESS_POLICY\n\n",
        b"request=smtpd_access_policy2\nrequest=smtpd_access_policy\n\n",
    ] {
        assert_eq!(client.ask(other), "DEFER later");
    }
    assert_eq!(
        client.ask(&request(&[])),
        "REJECT",
        "the connection goes on"
    );
    assert_eq!(stub.requests().len(), 1);
    let log = daemon.stop().out;
    let notices = process::lines(
        &log,
        "[LOG notice]: ignoring unrecognized request type: 'junk'",
    );
    assert_eq!(notices.len(), 1, "{log}");
}

#[test]
fn lines_that_are_no_attributes_are_left_out_with_a_notice() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    client.send(
        b"rubbish\nrequest=smtpd_access_policy\n=empty\nsender=a\0b\nhelo_name=a\rb\nok=1\n\n",
    );
    assert_eq!(client.action(), "dunno");
    assert_eq!(stub.requests(), [b"request=smtpd_access_policy\nok=1\n\n"]);
    let log = daemon.stop().out;
    let notices = process::lines(&log, "[LOG notice]: error: ignoring garbage \"rubbish\"");
    assert_eq!(notices.len(), 1, "{log}");
}

#[test]
fn carriage_returns_at_the_ends_of_lines_and_blank_lines_before_a_request_do_no_harm() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    client.send(b"\r\n\n\r\nrequest=smtpd_access_policy\r\nsender=x\r\n\r\n");
    assert_eq!(client.action(), "dunno");
    assert_eq!(
        stub.requests(),
        [b"request=smtpd_access_policy\nsender=x\n\n"]
    );
    client.shut_down_writing();
    assert!(client.is_ended(), "one request, one answer");
    daemon.stop();
}

#[test]
fn bytes_and_their_order_are_forwarded_as_they_came() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    let long = "x".repeat(16_000);
    let text =
        format!("z=1\nrequest=smtpd_access_policy\na= =b= \tc \nz=2\nsender=\nlong={long}\nn=");
    let wire = [text.as_bytes(), b"\xff\xfe\x01\n\n"].concat();
    assert_eq!(client.ask(&wire), "dunno");
    assert_eq!(stub.requests(), [wire]);
    daemon.stop();
}

#[test]
fn an_endless_request_ends_its_connection_with_a_warning_and_no_other() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut other = daemon.connect();
    assert_eq!(other.ask_about("x"), "dunno");
    let long_line = vec![b'x'; 17 * 1024];
    let many_lines = b"name=value and more\n".repeat(7 * 1024);
    for oversized in [long_line, many_lines] {
        let mut client = daemon.connect();
        client.try_send(&oversized);
        client.try_send(b"\n\n");
        assert!(client.is_ended(), "without a reply");
        assert_eq!(other.ask_about("x"), "dunno");
    }
    assert_eq!(stub.requests().len(), 3);
    let log = daemon.stop().out;
    assert!(!process::lines(&log, "[LOG warning]: ").is_empty(), "{log}");
}

#[test]
fn endless_lines_that_are_no_attributes_end_their_connection_too() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    client.try_send(&b"rubbish\n".repeat(64 * 1024));
    client.try_send(b"request=smtpd_access_policy\n\n");
    assert!(client.is_ended(), "without a reply");
    assert_eq!(stub.requests().len(), 0);
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "[LOG warning]: ").len(), 1, "{log}");
    assert_eq!(process::lines(&log, "ignoring garbage").len(), 1, "{log}");
}

#[test]
fn invalid_answers_count_as_failures_and_the_next_server_is_asked() {
    let long = [b"action=", &[b'x'; 17 * 1024][..], b"\n\n"].concat();
    let invalid = [
        Script::bytes("220 hello\n"),
        Script::bytes("\n"),
        Script::bytes("action=\n\n"),
        Script::bytes("action=  \n\n"),
        Script::bytes("ACTION=REJECT\n\n"),
        Script::bytes("action =REJECT\n\n"),
        Script::bytes("action=a\0b\n\n"),
        Script::bytes("action=a\rb\n\n"),
        Script::bytes("action=REJ").closing(),
        Script::bytes("other=1\n\naction=REJECT\n\n"),
        Script::bytes(long),
        Script::reply(Reply::CloseUnanswered),
        Script::reply(Reply::Reset(Vec::new())),
        Script::reply(Reply::Flood),
    ];
    for script in invalid {
        let shown = format!("{script:.60?}");
        let (bad, good) = (Stub::tcp(script), Stub::tcp(Script::answer("good")));
        let services = [service("bad", &bad, ":1"), service("good", &good, ":2")];
        let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1]]);
        assert_eq!(daemon.connect().ask_about("x"), "good", "{shown}");
        assert_eq!(bad.requests().len(), 1, "{shown}");
        let log = daemon.stop().out;
        let warnings = process::lines(&log, "[LOG warning]: Invalid answer from 'bad' -> '");
        assert_eq!(warnings.len(), 1, "{shown}: {log}");
    }
}

#[test]
fn answers_that_postfix_would_take_are_passed_on() {
    for (bytes, action) in [
        (&b"action=REJECT no\n\n"[..], &b"REJECT no"[..]),
        (b"action=REJECT no\r\n\r\n", b"REJECT no"),
        (b"foo=bar\naction=DUNNO\n\n", b"DUNNO"),
        (b"action= blanks kept \n\n", b" blanks kept "),
        (b"action=5\xff0 8-bit\n\n", b"5\xff0 8-bit"),
        (b"action=a=b\naction=second\n\n", b"a=b"),
    ] {
        let stub = Stub::tcp(Script::bytes(bytes));
        let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
        let mut client = daemon.connect();
        client.send(&request(&[]));
        let expected = [b"action=", action, b"\n\n"].concat();
        assert_eq!(client.reply(), Some(expected));
        daemon.stop();
    }
}

#[test]
fn an_answer_that_is_not_utf8_is_warned_of_once() {
    let stub = Stub::tcp(Script::bytes(&b"action=REJECT \xff\n\n"[..]));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..5 {
        client.send(&request(&[]));
        assert!(client.reply().is_some());
    }
    assert_eq!(process::lines(&daemon.stop().out, "UTF-8").len(), 1);
}

// Time

#[test]
fn the_deadline_bounds_what_hung_services_cost_together() {
    let hung: Vec<Stub> = (0..3)
        .map(|_| Stub::tcp(Script::reply(Reply::Hang)))
        .collect();
    let services: Vec<String> = hung.iter().map(Stub::address).collect();
    let services = process::services(&services);
    let mut args: Vec<&str> = services.iter().map(String::as_str).collect();
    args.extend(["--deadline", "1s", "-d", "DEFER in time"]);
    let daemon = Daemon::tcp(&args);
    // A service's own 10 s would exceed what this client waits.
    let mut client = daemon.connect();
    client.set_patience(std::time::Duration::from_secs(8));
    assert_eq!(client.ask_about("x"), "DEFER in time");
    daemon.stop();
}

#[test]
fn a_hung_service_costs_its_timeout_once_and_is_left_alone_then() {
    let (hung, good) = (
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::answer("good")),
    );
    let services = [
        service("hung", &hung, ":1:1:1.5"),
        service("good", &good, ":2"),
    ];
    let daemon = Daemon::tcp(&["-s", &services[0], "-s", &services[1]]);
    let mut client = daemon.connect();
    for _ in 0..50 {
        assert_eq!(client.ask_about("x"), "good");
    }
    let asked = hung.requests().len();
    assert!(asked <= 2, "asked {asked} times");
    let log = daemon.stop().out;
    assert_eq!(
        process::lines(&log, "[LOG warning]: Timeout for 'hung'").len(),
        1,
        "{log}"
    );
}

// The log

#[test]
fn a_change_of_state_is_one_line_and_a_warning_is_not_repeated() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    stub.stop();
    let begin = Instant::now();
    for _ in 0..30 {
        assert_eq!(client.ask_about("x"), "dunno");
        client.send(b"no attribute\nrequest=junk\n\n");
        assert_eq!(client.action(), "dunno");
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
        "ignoring garbage",
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

fn two() -> (Stub, Stub) {
    (
        Stub::tcp(Script::answer("a")),
        Stub::tcp(Script::answer("b")),
    )
}

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
