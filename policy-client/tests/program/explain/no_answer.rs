//! No answer: what went wrong, what Postfix would log, and what it would reply.

use policy_testing::stub::{Reply, Script, Stub};
use tempfile::TempDir;

use crate::{query, query::closed_port};

/// The wording is Postfix's: a test with a real one compares.
#[test]
fn what_postfix_would_log_and_reply_is_said() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("none");
    let path = path.display();
    let stub = Stub::tcp(Script::default());
    let name = stub.address();
    let closed = closed_port();
    let refused = "problem talking to server NAME: Connection refused";
    let nothing = "problem talking to server NAME: Application error";
    let late = "problem talking to server NAME: Connection timed out";
    for (reply, endpoint, reason, log) in [
        (
            None,
            closed,
            "cannot connect: Connection refused (os error 111)",
            &["connect to NAME: Connection refused", refused][..],
        ),
        (
            None,
            format!("unix:{path}"),
            "cannot connect: No such file or directory (os error 2)",
            &[
                "connect to NAME: No such file or directory",
                "problem talking to server NAME: No such file or directory",
            ],
        ),
        (
            Some(Reply::CloseUnanswered),
            name.clone(),
            "the server closed the connection without an answer",
            &[nothing],
        ),
        (
            Some(Reply::Reset(Vec::new())),
            name.clone(),
            "connection failed: Connection reset by peer (os error 104)",
            &["problem talking to server NAME: Connection reset by peer"],
        ),
        (
            Some(Reply::Hang),
            name.clone(),
            "timed out after 200ms",
            &[late],
        ),
        (
            Some(Reply::Bytes(b"220 hello\n".to_vec())),
            name.clone(),
            "timed out after 200ms within an answer, after '220 hello\\n'",
            &["timeout on NAME while reading input attribute name", late],
        ),
        (
            Some(Reply::Bytes(b"action=REJ".to_vec())),
            name.clone(),
            "timed out after 200ms within an answer, after 'action=REJ'",
            &["timeout on NAME while reading input attribute value", late],
        ),
        (
            Some(Reply::Bytes(b"action=OK\n".to_vec())),
            name.clone(),
            "timed out after 200ms within an answer, after 'action=OK\\n'",
            &["timeout on NAME while reading input attribute name", late],
        ),
        (
            Some(Reply::Bytes(b"result=x\n\n".to_vec())),
            name.clone(),
            "invalid answer: no 'action=' before the empty line: 'result=x'",
            &["missing attribute action in input from NAME", nothing],
        ),
        (
            Some(Reply::Bytes(b"action=DUNNO\r\n\r\n".to_vec())),
            name.clone(),
            "timed out after 200ms within an answer, after '\\r\\n', which is no empty line to Postfix",
            &["timeout on NAME while reading input attribute name", late],
        ),
        (
            Some(Reply::Bytes(b"action=DUNNO\n\r\n".to_vec())),
            name.clone(),
            "timed out after 200ms within an answer, after '\\r\\n', which is no empty line to Postfix",
            &["timeout on NAME while reading input attribute name", late],
        ),
        (
            Some(Reply::Bytes(b"action\n\n".to_vec())),
            name,
            "invalid answer: no '=' after 'action': 'action'",
            &[
                "missing value for string attribute action from NAME",
                nothing,
            ],
        ),
    ] {
        if let Some(reply) = reply.clone() {
            stub.set(Script::reply(reply));
        }
        let args = [&endpoint, "--timeout", "200ms", "recipient=bob@example.org"];
        let ended = query(&args);
        assert_eq!(ended.code, Some(69), "{reply:?}: {ended:?}");
        let mut lines = ended.err.lines();
        assert_eq!(
            lines.next(),
            Some(&*format!("no answer: {reason}")),
            "{reply:?}"
        );
        let shown = endpoint.trim_start_matches("unix:");
        for line in log {
            let line = line.replace("NAME", shown);
            assert_eq!(
                lines.next(),
                Some(&*format!("Postfix logs: warning: {line}"))
            );
        }
        let replies = lines.next().unwrap();
        let expected = "Postfix replies: 451 4.3.5 <bob@example.org>: Recipient address rejected: Server configuration problem (after ";
        assert!(replies.starts_with(expected), "{replies}");
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn an_answer_within_which_the_connection_ends_is_told_from_none() {
    let stub = Stub::tcp(Script::bytes("action=REJ").closing());
    let ended = query(&[&stub.address()]);
    let said = "no answer: the server closed the connection within an answer, after 'action=REJ'\n";
    assert!(ended.err.starts_with(said), "{ended:?}");
    assert!(
        ended.err.contains("while reading input attribute value"),
        "{ended:?}"
    );
}

/// Postfix says something of its own then, as of the end of a connection.
#[test]
fn within_an_answer_a_connection_that_fails_is_told_and_not_asked_over_again() {
    let stub = Stub::tcp(Script::reply(Reply::Choose(|request| {
        if request.windows(10).any(|part| part == b"\nsender=2\n") {
            Reply::Reset(b"action=DU".to_vec())
        } else {
            Reply::Bytes(b"action=DUNNO\n\n".to_vec())
        }
    })));
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("template");
    std::fs::write(&template, "sender={n}\n\n").unwrap();
    let template = template.display().to_string();
    let ended = query(&[&stub.address(), "--template", &template, "--count", "2"]);
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(69), "DUNNO\n"),
        "{ended:?}"
    );
    let said = format!(
        "no answer: connection failed within an answer, after 'action=DU': Connection reset by peer (os error 104)\n\
         Postfix logs: warning: premature end-of-input on {0} while reading input attribute value\n\
         Postfix logs: warning: problem talking to server {0}: Connection reset by peer\n",
        stub.address()
    );
    assert!(ended.err.starts_with(&said), "{ended:?}");
    assert_eq!(stub.connections(), 1);
}

/// Postfix reads on until there is one.
#[test]
fn an_action_without_an_empty_line_is_no_answer() {
    let stub = Stub::tcp(Script::bytes("action=OK\n").closing());
    let ended = query(&[&stub.address()]);
    assert_eq!((ended.code, &*ended.out), (Some(69), ""), "{ended:?}");
    let said = "no answer: the server closed the connection within an answer, after 'action=OK\\n'\nPostfix logs: warning: premature end-of-input on ";
    assert!(ended.err.starts_with(said), "{ended:?}");
    assert!(
        ended.err.contains(" while reading input attribute name\n"),
        "{ended:?}"
    );
    let endless = Stub::tcp(Script::bytes(
        ["action=OK\n".to_owned(), "a=b\n".repeat(40_000)].concat(),
    ));
    let ended = query(&[&endless.address(), "--timeout", "500ms"]);
    let said = "no answer: timed out after 500ms within an answer, after 'a=";
    assert!(ended.err.starts_with(said), "{ended:?}");
    assert_eq!(ended.code, Some(69), "{ended:?}");
}

#[test]
fn the_reply_is_of_the_stage() {
    let closed = closed_port();
    for (args, reply) in [
        (
            &["--preset", "connect"][..],
            "<client.example.net[192.0.2.1]>: Client host rejected",
        ),
        (
            &["--preset", "helo"],
            "<client.example.net>: Helo command rejected",
        ),
        (
            &["--preset", "mail", "sender="],
            "<>: Sender address rejected",
        ),
        (&["--preset", "data"], "<DATA>: Data command rejected"),
        (
            &["--preset", "end-of-message"],
            "<END-OF-MESSAGE>: End-of-data rejected",
        ),
        (
            &["--preset", "etrn"],
            "<example.org>: Etrn command rejected",
        ),
    ] {
        let ended = query(&[&[closed.as_str()], args].concat());
        let expected =
            format!("Postfix replies: 451 4.3.5 {reply}: Server configuration problem (");
        assert!(ended.err.contains(&expected), "{args:?}: {ended:?}");
    }
}

#[test]
fn an_object_has_what_postfix_would_make_of_it() {
    let ended = query(&[&closed_port(), "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let log = object["postfix"]["log"].as_array().unwrap();
    assert_eq!(log.len(), 2, "{object}");
    assert!(
        object["postfix"]["reply"]
            .as_str()
            .unwrap()
            .starts_with("451 4.3.5 ")
    );
    assert_eq!(ended.err, "");
}
