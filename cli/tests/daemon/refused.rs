//! Clients that send something else than requests, and how the log names them and it.

use policy_testing::{
    process::{Client, Daemon, Signal},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use crate::service;

#[test]
fn what_a_client_speaks_instead_of_the_policy_protocol_is_named() {
    let stub = Stub::tcp(Script::answer("good"));
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let request = "request=smtpd_access_policy\nsender=a@example.com\n\n";
    let with = |first: &[u8]| [first, request.as_bytes()].concat();
    for (sent, name) in [
        (
            with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\xc3\x50\x27\x2e"),
            "a PROXY protocol header (version 2)",
        ),
        (
            with(b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 10031\r\n"),
            "a PROXY protocol header (version 1)",
        ),
        (
            b"GET /?a=b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            "an HTTP request",
        ),
        (with(b"\xef\xbb\xbf"), "a byte order mark"),
    ] {
        let mut client = daemon.connect();
        client.send(&sent);
        client.shut_down_writing();
        assert!(client.is_ended(), "{name}: it gets no answer");
        let line = format!(
            "[LOG warning]: warning: closing a connection from 127.0.0.1: {name} instead of a policy request"
        );
        let told = daemon.process.out.wait_lines(1, &line);
        assert!(told, "{name}: {}", daemon.process.out.text());
        assert_eq!(daemon.connect().ask_about("x"), "good");
    }
    daemon.stop();
    assert!(
        stub.requests()
            .iter()
            .all(|request| !request.contains(&b'@')),
        "nothing was passed on"
    );
}

/// It has no line feed, and its sender waits for an answer.
#[test]
fn a_tls_hello_is_named_when_it_comes() {
    let args = ["-s", "a=127.0.0.1:1", "--request-timeout", "1000s"];
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    // Whole, and in two pieces.
    for cuts in [&[0][..], &[0, 1], &[0, 1, 2], &[0, 6]] {
        let daemon = Daemon::tcp(&args);
        let mut client = daemon.connect();
        for (piece, cut) in cuts.iter().enumerate() {
            let end = cuts.get(piece + 1).copied().unwrap_or(hello.len());
            client.try_send(&hello[*cut..end]);
            if end < 2 {
                // A daemon that has answered others meanwhile has read this.
                assert_eq!(daemon.connect().ask_about("x"), "dunno");
            }
        }
        let line = "[LOG warning]: warning: closing a connection from 127.0.0.1: a TLS hello instead of a policy request";
        let told = daemon.process.out.wait_lines(1, line);
        assert!(told, "{cuts:?}: {}", daemon.process.out.text());
        assert!(client.is_ended(), "{cuts:?}");
        daemon.stop();
    }
}

/// Its end is all that the system knows by then, so its name has to be known from before.
#[test]
fn a_client_that_has_reset_its_connection_amid_a_request_is_named() {
    let daemon = Daemon::tcp(&["-s", "a=127.0.0.1:1"]);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    daemon.process.signal(Signal::STOP);
    client.send(b"request=smtpd_access_policy\nGET / HTTP/1.1\r\n");
    client.reset();
    daemon.process.signal(Signal::CONT);
    let line = "closing a connection from 127.0.0.1: a line is no attribute of a policy request: ";
    let told = daemon.process.out.wait_lines(1, line);
    assert!(told, "{}", daemon.process.out.text());
    daemon.stop();
}

#[test]
fn a_client_whose_request_is_too_large_or_too_slow_is_named() {
    let stub = Stub::tcp(Script::answer("good"));
    let dir = TempDir::new().unwrap();
    let unix = format!("unix:{}/socket", dir.path().display());
    let args = ["-s", &service("a", &stub, ""), "--request-timeout", "200ms"];
    let user = rustix::process::geteuid().as_raw();
    for (listen, client_name) in [
        ("inet:127.0.0.1:0", "127.0.0.1".to_owned()),
        (&unix, format!("user {user}")),
    ] {
        for (sent, why) in [
            (
                "request=smtpd_access_policy\n".to_owned(),
                "request not finished in time",
            ),
            (format!("a={}", "x".repeat(200_000)), "longer than"),
        ] {
            let daemon = Daemon::start(&[listen], &args);
            let mut client = Client::connect(daemon.endpoint());
            client.try_send(sent.as_bytes());
            assert!(client.is_ended());
            let line = format!("[LOG warning]: warning: closing a connection from {client_name}: ");
            assert!(
                daemon.process.out.wait_lines(1, &line),
                "{}",
                daemon.process.out.text()
            );
            let log = daemon.stop().out;
            assert!(log.contains(why), "{log}");
        }
    }
}
