//! Answers of services, good and bad: what is passed on, and what counts as a failure.

use policy_testing::{
    process::{self, Daemon, request},
    stub::{Reply, Script, Stub},
};

use crate::service;

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
        let warnings = process::lines(
            &log,
            "[LOG warning]: warning: Invalid answer from 'bad' -> '",
        );
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
