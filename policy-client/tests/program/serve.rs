//! `policy-client serve`: what it answers and what it prints.

use std::fs;

use policy_testing::process::{Client, Ended, Process, Signal, lines, policy_client, request, run};
use tempfile::TempDir;

use crate::{FULL, assert_answered, onto_a_full_disk, query};

#[test]
fn serve_says_where_it_listens_and_answers_every_request_alike() {
    let dir = TempDir::new().unwrap();
    let socket = format!("unix:{}", dir.path().join("policy.sock").display());
    for endpoint in ["inet:127.0.0.1:0", &socket] {
        let server = Server::start(endpoint, &["--action", "REJECT 5.7.1 no = no"]);
        for _ in 0..2 {
            let mut client = server.connect();
            for _ in 0..3 {
                assert_eq!(client.ask_about("x"), "REJECT 5.7.1 no = no");
            }
        }
        let ended = server.stop();
        assert_eq!(ended.out.lines().count(), 1, "without --log: {ended:?}");
    }
    assert!(!dir.path().join("policy.sock").exists());
}

#[test]
fn serve_answers_dunno_unless_told_otherwise() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_cannot_listen_where_another_does() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let ended = run(policy_client(), &["serve", &server.endpoint]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(71), ""),
        "{ended:?}"
    );
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_cannot_listen_where_a_file_is_no_socket() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let ended = run(
        policy_client(),
        &["serve", &format!("unix:{}", path.display())],
    );
    assert_eq!(ended.code, Some(71), "{ended:?}");
    let said = "/file: the file that is there is no socket\n";
    assert!(ended.err.ends_with(said), "{ended:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "x");
}

#[test]
fn output_that_cannot_be_written_is_told_and_answers_go_on() {
    let dir = TempDir::new().unwrap();
    let listen = format!("unix:{}", dir.path().join("serve").display());
    let process = onto_a_full_disk(&["serve", &listen, "--log"]);
    assert!(process.err.wait_lines(1, FULL));
    for instance in ["a", "b"] {
        assert_eq!(Client::connect(&listen).ask_about(instance), "dunno");
    }
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert_eq!(lines(&ended.err, FULL).len(), 1, "{ended:?}");
}

#[test]
fn serve_with_close_closes_after_each_answer() {
    let server = Server::start("inet:127.0.0.1:0", &["--close"]);
    for _ in 0..2 {
        let mut client = server.connect();
        client.send(&[request(&[]), request(&[])].concat());
        assert_eq!(client.action(), "dunno");
        assert!(client.is_ended());
    }
    server.stop();
}

#[test]
fn serve_with_hang_reads_and_never_answers() {
    for more in [&[][..], &["--close"], &["--garbage"], &["--delay", "1ms"]] {
        let args = [&["--hang", "--log"], more].concat();
        let server = Server::start("inet:127.0.0.1:0", &args);
        let mut client = server.connect();
        client.send(&request(&[("sender", "s")]));
        assert!(server.process.out.wait_lines(1, "sender=s"));
        let stopped = server.stop();
        assert!(
            client.is_ended(),
            "{more:?}: no answer, not even at the end"
        );
        assert_eq!(stopped.out.lines().count(), 2, "{stopped:?}");
    }
}

#[test]
fn serve_with_hang_lets_clients_go() {
    let server = Server::start("inet:127.0.0.1:0", &["--hang"]);
    let ended = query(&[&server.endpoint, "--timeout", "100ms"]);
    assert_eq!(ended.code, Some(69));
    server.stop();
}

#[test]
fn serve_with_garbage_sends_a_banner_in_place_of_an_answer() {
    let server = Server::start("inet:127.0.0.1:0", &["--garbage"]);
    let client = server.connect();
    for _ in 0..2 {
        client.send(&request(&[]));
        assert_eq!(client.read_once(), b"220 hello\n");
    }
    drop(client);
    server.stop();

    let server = Server::start(
        "inet:127.0.0.1:0",
        &["--garbage", "--close", "--delay", "1ms"],
    );
    let mut client = server.connect();
    client.send(&request(&[]));
    assert_eq!(client.read_once(), b"220 hello\n");
    assert!(client.is_ended());
    server.stop();
}

#[test]
fn serve_with_delay_answers_later_and_other_clients_meanwhile() {
    let server = Server::start("inet:127.0.0.1:0", &["--delay", "300ms", "--log"]);
    let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &clients {
        client.send(&request(&[("sender", "s")]));
    }
    assert!(
        server.process.out.wait_lines(5, "sender=s"),
        "all are under way at once"
    );
    // SIGTERM waits for them.
    let ended = server.stop();
    for client in &mut clients {
        assert_eq!(client.action(), "dunno");
    }
    assert_eq!(ended.code, Some(0));
}

#[test]
fn serve_with_log_prints_a_line_per_request() {
    let server = Server::start("inet:127.0.0.1:0", &["--log"]);
    let mut client = server.connect();
    client.ask(&request(&[
        ("sender", "a@example"),
        ("recipient", "b@example"),
        ("instance", "i"),
    ]));
    let ended = server.stop();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    for part in [
        "protocol_state=RCPT",
        "sender=a@example",
        "recipient=b@example",
        "instance=i",
    ] {
        assert!(lines[1].contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn serve_with_log_prints_values_that_cannot_be_taken_for_others() {
    let server = Server::start("inet:127.0.0.1:0", &["--log"]);
    let mut client = server.connect();
    for (value, printed) in [
        (&b"\x1b[31m"[..], "?[31m"),
        (b"a recipient=b", r"a\x20recipient=b"),
        (b"\\x20", r"\x5cx20"),
        ("\u{9b}31m\u{202e}".as_bytes(), r"\xc2\x9b31m\xe2\x80\xae"),
        (b"\xff", r"\xff"),
        ("grün@例え.jp".as_bytes(), "grün@例え.jp"),
    ] {
        let request = [b"request=smtpd_access_policy\nsender=", value, b"\n\n"].concat();
        assert_eq!(client.ask(&request), "dunno");
        let part = format!(" sender={printed} recipient= ");
        assert!(server.process.out.wait_lines(1, &part), "{part}");
    }
    server.stop();
}

#[test]
fn serve_closes_a_connection_that_sends_no_request() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let mut client = server.connect();
    client.send(b"rubbish\n\n");
    assert!(client.is_ended());
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_ends_with_0_on_sigint_too() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let mut idle = server.connect();
    assert_eq!(idle.ask_about("x"), "dunno");
    server.process.signal(Signal::INT);
    let ended = server.process.end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(idle.is_ended());
}

#[test]
fn query_and_serve_understand_each_other() {
    let server = Server::start("inet:127.0.0.1:0", &["--action", "PREPEND X: y"]);
    assert_answered(&query(&[&server.endpoint, "sender=x"]), "PREPEND X: y\n");
    server.stop();
}

/// `policy-client serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) endpoint: String,
}

impl Server {
    pub(crate) fn start(endpoint: &str, args: &[&str]) -> Self {
        let process = Process::start(policy_client(), &[&["serve", endpoint], args].concat());
        assert!(
            process.out.wait_lines(1, "listening on "),
            "{:?}",
            process.err.text()
        );
        let said = process.out.text();
        let endpoint = said
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("listening on "));
        Self {
            endpoint: endpoint.expect("its first line").to_owned(),
            process,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.endpoint)
    }

    pub(crate) fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        let ended = self.process.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        ended
    }
}
