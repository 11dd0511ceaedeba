//! `policy-client tap` shows requests that get no answer that Postfix takes.

use std::fs;

use policy_testing::{
    process::{Client, request},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use super::Tap;

#[test]
fn an_answer_without_its_empty_line_is_none() {
    for (script, error) in [
        (
            Script::bytes("action=DUNNO\n").closing(),
            "the server closed the connection within an answer, after 'action=DUNNO\\n'",
        ),
        (
            Script::bytes("action=DU").closing(),
            "the server closed the connection within an answer, after 'action=DU'",
        ),
        (
            Script::reply(Reply::CloseUnanswered),
            "the server closed the connection without an answer",
        ),
    ] {
        let stub = Stub::tcp(script);
        let tap = Tap::start(&stub.address(), &[]);
        let client = tap.connect();
        client.send(&request(&[]));
        // The client has not closed yet.
        let shown = format!(" -> ({error}) (");
        assert!(
            tap.process.out.wait_lines(1, &shown),
            "{}",
            tap.process.out.text()
        );
        drop(client);
        assert_unanswered(tap);
    }
}

#[test]
fn a_client_that_gives_up_is_told_from_a_server_that_closes() {
    for (reply, error) in [
        (
            Reply::Hang,
            "the client closed the connection before an answer",
        ),
        (
            Reply::Bytes(b"action=DU".to_vec()),
            "the client closed the connection within an answer, after 'action=DU'",
        ),
        (
            Reply::Bytes(b"action=DUNNO\n".to_vec()),
            "the client closed the connection within an answer, after 'action=DUNNO\\n'",
        ),
    ] {
        let has_begun = !matches!(reply, Reply::Hang);
        let stub = Stub::tcp(Script::reply(reply));
        let tap = Tap::start(&stub.address(), &[]);
        let client = tap.connect();
        client.send(&request(&[]));
        assert!(stub.wait_requests(1));
        if has_begun {
            client.read_once();
        }
        drop(client);
        let shown = format!(" -> ({error}) (");
        assert!(
            tap.process.out.wait_lines(1, &shown),
            "{}",
            tap.process.out.text()
        );
        assert_unanswered(tap);
    }
}

/// Postfix waits for another empty line, and reads another action.
#[test]
fn an_answer_with_carriage_returns_is_none() {
    let stub = Stub::tcp(Script::bytes("action=DUNNO\r\n\r\n"));
    let tap = Tap::start(&stub.address(), &[]);
    let client = tap.connect();
    client.send(&request(&[]));
    let note = ": the server ends its answer with CR LF, which is no empty line to Postfix";
    assert!(tap.process.out.wait_lines(1, note));
    drop(client);
    let shown = " -> (the client closed the connection within an answer, after '\\r\\n', which is no empty line to Postfix) (";
    assert!(tap.process.out.wait_lines(1, shown));
    assert_unanswered(tap);

    let stub = Stub::tcp(Script::bytes("action=DUNNO\r\n\n"));
    let tap = Tap::start(&stub.address(), &[]);
    tap.connect().send(&request(&[]));
    let shown = " -> (invalid answer: an action that Postfix does not know: 'action=DUNNO\\r') (";
    assert!(tap.process.out.wait_lines(1, shown));
    assert_unanswered(tap);
}

/// Postfix logs it, and replies 451.
#[test]
fn an_action_that_is_not_utf_8_is_none() {
    let stub = Stub::tcp(Script::bytes(&b"action=REJECT \xe9t\xe9\n\n"[..]));
    let tap = Tap::start(&stub.address(), &[]);
    tap.connect().send(&request(&[]));
    let shown = " -> (invalid answer: an action that is not UTF-8: 'action=REJECT \\xe9t\\xe9') (";
    assert!(tap.process.out.wait_lines(1, shown));
    assert_unanswered(tap);
}

#[test]
fn half_a_request_is_told() {
    let stub = Stub::tcp(Script::default());
    let tap = Tap::start(&stub.address(), &[]);
    tap.connect()
        .send(b"request=smtpd_access_policy\nsender=al");
    let note = ": the client closed the connection within a request, after 'sender=al'";
    assert!(tap.process.out.wait_lines(1, note));
    tap.stop();
}

#[test]
fn lines_of_either_side_are_hidden_where_addresses_are() {
    let dir = TempDir::new().unwrap();
    let record = dir.path().join("record");
    let record = record.to_str().unwrap();
    let stub = Stub::tcp(Script::bytes("alice\naction=REJECT alice@private.exa").closing());
    let tap = Tap::start(&stub.address(), &["--anonymise", "--record", record]);
    let client = tap.connect();
    client.send(&request(&[("sender", "alice@private.example")]));
    assert!(
        tap.process
            .out
            .wait_lines(1, " within an answer, after '...'")
    );
    drop(client);
    Client::connect(&tap.endpoint).send(b"alice@private.example\n");
    assert!(
        tap.process
            .out
            .wait_lines(1, "requests: no '=' in the line at byte 0: '...'")
    );
    let ended = tap.stop();
    assert!(
        ended.out.contains("which Postfix skips: '...'"),
        "{ended:?}"
    );
    let recorded = fs::read_to_string(record).unwrap();
    for text in [&ended.out, &recorded] {
        assert!(
            !text.contains("alice") && !text.contains("private"),
            "{text}"
        );
    }
}

fn assert_unanswered(tap: Tap) {
    let ended = tap.stop();
    assert!(
        ended.err.starts_with("0 answered, 1 without an answer in "),
        "{ended:?}"
    );
}
