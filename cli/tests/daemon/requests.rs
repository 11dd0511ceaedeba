//! Requests, good and bad: what is forwarded, and what a bad one costs.

use crate::{
    process::{self, Daemon, request},
    service,
    support::stub::{Script, Stub},
};

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
    let notices = process::lines(&log, "[LOG notice]: ignoring garbage \"rubbish\"");
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
    assert!(!process::warnings(&log).is_empty(), "{log}");
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
    assert_eq!(process::warnings(&log).len(), 1, "{log}");
    // The first, and at the end the last.
    assert_eq!(process::lines(&log, "ignoring garbage").len(), 2, "{log}");
}
