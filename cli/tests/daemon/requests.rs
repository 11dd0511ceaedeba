//! Requests, good and bad: what is forwarded, and what a bad one costs.

use policy_testing::{
    process::{self, Daemon, request},
    stub::{Script, Stub},
};

use crate::service;

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
fn a_line_that_is_no_attribute_closes_its_connection_without_an_answer_and_no_other() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    let mut other = daemon.connect();
    assert_eq!(other.ask_about("x"), "dunno");
    for line in [
        &b"rubbish\n"[..],
        b"=empty\n",
        b"sender=a\0b\n",
        b"helo_name=a\rb\n",
        b"EHLO there\r\n",
    ] {
        let whole = request(&[]);
        for sent in [
            [line, &whole].concat(),
            [b"a=1\n", line, &whole].concat(),
            // What comes behind is not read any more.
            [line, b"\n", &whole].concat(),
        ] {
            let mut client = daemon.connect();
            client.try_send(&sent);
            assert!(client.is_ended(), "{}", sent.escape_ascii());
        }
    }
    assert_eq!(other.ask_about("x"), "dunno");
    assert_eq!(stub.requests().len(), 2);
    let log = daemon.stop().out;
    let told = process::lines(
        &log,
        "[LOG warning]: warning: closing a connection from 127.0.0.1: a line is no attribute of a policy request: ",
    );
    // The first, and at the end one more with the count of those between them: two workers' lines may swap.
    assert_eq!(told.len(), 2, "{log}");
    assert!(told[0].ends_with("no '=' in the line at byte 0"), "{log}");
    assert_eq!(process::warnings(&log), told, "{log}");
}

/// A page in a browser can have it send such a request to a port of its own machine.
#[test]
fn a_policy_request_in_the_body_of_an_http_request_is_neither_answered_nor_forwarded() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "-d", "WARN default"]);
    let body = String::from_utf8(request(&[("sender", "a@example.com")])).unwrap();
    let head = "Content-Type: text/plain;charset=UTF-8\r\nAccept: */*;q=0.8\r\n";
    let length = body.len();
    for path in ["/", "/?request=smtpd_access_policy", "*"] {
        for http in [
            format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:10031\r\n{head}\
                 Content-Length: {length}\r\n\r\n{body}"
            ),
            format!(
                "POST {path} HTTP/1.1\r\n{head}Host: localhost\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ),
            format!("POST {path} HTTP/1.0\r\nUser-Agent: curl/7.88.1\r\n{head}\r\n{body}"),
            // Each line has an equals sign.
            format!("POST /?x={path} HTTP/1.0\r\nHost: a=b\r\n\r\n{body}"),
            format!("POST /?x={path} HTTP/1.0\r\n{body}"),
        ] {
            let mut client = daemon.connect();
            client.try_send(http.as_bytes());
            assert!(client.is_ended(), "without a reply: {http}");
        }
    }
    assert_eq!(stub.requests().len(), 0);
    let log = daemon.stop().out;
    let told = process::lines(&log, "an HTTP request instead of a policy request");
    // The first, and at the end the last with the count of those between them.
    assert_eq!(told.len(), 2, "{log}");
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
