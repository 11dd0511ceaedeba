//! `policy-client query` without an answer: what went wrong, and what Postfix would make of it.

use std::time::Duration;

use policy_testing::stub::{Reply, Script, Stub};
use tempfile::TempDir;

use crate::{query, query::closed_port, serve::Server};

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

/// Postfix knows no such action, or reads another one.
#[test]
fn what_postfix_makes_of_an_action_that_is_none_is_said() {
    let stub = Stub::tcp(Script::default());
    let name = stub.address();
    let unknown = "Postfix replies: 451 4.3.5 Server configuration error\n";
    let accepts = "Postfix goes on as after OK\n";
    for (answer, reason, log, reply) in [
        (
            &b"action=DUNNO\r\n\n"[..],
            "an action that Postfix does not know: 'action=DUNNO\\r'",
            "unknown smtpd restriction: \"DUNNO\"".to_owned(),
            unknown,
        ),
        (
            b"action=a\0b\n\n",
            "an action that Postfix does not know: 'action=a\\x00b'",
            "unknown smtpd restriction: \"a\"".to_owned(),
            unknown,
        ),
        (
            b"action=wait: 5 minutes\n\n",
            "an action that Postfix does not know: 'action=wait: 5 minutes'",
            format!(
                "access table inet:{name} has entry with lookup table: wait: 5 minutes\n\
                 Postfix logs: warning: do not specify lookup tables inside SMTPD access maps\n\
                 Postfix logs: warning: define a restriction class and specify its name instead."
            ),
            unknown,
        ),
        (
            b"action=,\n\n",
            "blank action: 'action=,'",
            format!("access table inet:{name} entry , has empty value"),
            accepts,
        ),
        (
            b"action=\n\n",
            "blank action: 'action='",
            format!("access table inet:{name} entry  has empty value"),
            accepts,
        ),
        (
            b"action=  \n\n",
            "blank action: 'action=  '",
            format!("access table inet:{name} entry    has empty value"),
            accepts,
        ),
    ] {
        stub.set(Script::bytes(answer));
        let ended = query(&[&name]);
        let said =
            format!("no answer: invalid answer: {reason}\nPostfix logs: warning: {log}\n{reply}");
        let got = (ended.code, &*ended.out, &*ended.err);
        assert_eq!(got, (Some(69), "", &*said));
    }
    // Of a text it is the last byte, and of a restriction's name none.
    for action in ["REJECT no", "REJECT"] {
        stub.set(Script::bytes(format!("action={action}\r\n\n")));
        let ended = query(&[&name]);
        let got = (ended.code, ended.out.trim_end());
        assert_eq!(got, (Some(0), action));
    }
}

/// A real Postfix beside it: `cli/tests/postfix/explained.rs`.
#[test]
fn what_postfix_takes_and_others_may_not_is_an_answer_and_told() {
    let stub = Stub::tcp(Script::default());
    for (bytes, action, unusual) in [
        (
            &b"220 hello\naction=DUNNO\n\n"[..],
            "DUNNO",
            "a line besides its action, which Postfix skips: '220 hello'",
        ),
        (
            b"action=REJECT no\r\n\n",
            "REJECT no",
            "a carriage return, which is a part of the text to Postfix: 'action=REJECT no\\r'",
        ),
        (
            b"action=DUNNO\0x\n\n",
            "DUNNO",
            "a NUL byte, after which Postfix reads nothing: 'action=DUNNO\\x00x'",
        ),
    ] {
        stub.set(Script::bytes(bytes));
        let ended = query(&[&stub.address()]);
        let said = format!("unusual: {unusual}\n");
        let got = (ended.code, ended.out.trim_end(), &*ended.err);
        assert_eq!(got, (Some(0), action, &*said));
        let ended = query(&[&stub.address(), "--json"]);
        let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(object["unusual"], unusual);
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
fn an_answer_is_never_too_long_and_of_its_line_the_beginning_is_shown() {
    let action = format!("DUNNO {}", "x".repeat(20_000));
    let stub = Stub::tcp(Script::answer(&action));
    let ended = query(&[&stub.address()]);
    assert_eq!((ended.code, ended.out.trim_end()), (Some(0), &*action));
    let begin =
        "unusual: 20015 bytes, which Postfix takes, however many they are: 'action=DUNNO xxx";
    assert!(ended.err.starts_with(begin), "{}", ended.err);
    assert!(ended.err.ends_with("xxx...'\n"), "{ended:?}");
    assert!(ended.err.len() < 300, "{ended:?}");
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
fn an_action_that_is_no_utf_8_is_none_and_explained() {
    let stub = Stub::tcp(Script::bytes(&b"action=REJECT \xe9t\xe9\n\n"[..]));
    let ended = query(&[&stub.address(), "recipient=bob@example.org"]);
    assert_eq!((ended.code, &*ended.out), (Some(69), ""), "{ended:?}");
    let log = format!(
        "no answer: invalid answer: an action that is not UTF-8: 'action=REJECT \\xe9t\\xe9'\nPostfix logs: warning: malformed UTF-8 in policy server inet:{} response: \"REJECT ?t?\"\n",
        stub.address()
    );
    assert!(ended.err.starts_with(&log), "{ended:?}");
    assert!(
        ended.err.contains("Postfix replies: 451 4.3.5 "),
        "{ended:?}"
    );
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

/// A real Postfix beside it: `cli/tests/postfix/explained.rs`.
#[test]
fn a_newline_after_an_answer_is_told_each_time_that_it_comes() {
    let said = "excess: the server sent '\\n' after its answer, which Postfix ignores if it comes with the answer; else it connects again after a second, or takes it for its next answer\n";
    let server = Server::start("inet:127.0.0.1:0", &["--newline"]);
    let ended = query(&[&server.endpoint]);
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), "dunno\n", said));
    let ended = query(&[&server.endpoint, "--count", "3"]);
    assert_eq!(ended.err.matches(said).count(), 3, "{ended:?}");
    assert_eq!(
        excess_and_connections(&server.endpoint),
        [("\n", "new"), ("\n", "kept")].map(owned)
    );
    server.stop();
}

#[test]
fn what_comes_late_is_told_with_the_next_answer() {
    let pieces = |more: &[u8]| {
        let pieces = vec![b"action=OK\n\n".to_vec(), more.to_vec()];
        Stub::tcp(Script::reply(Reply::Pieces(
            pieces,
            Duration::from_millis(50),
        )))
    };
    let newline = pieces(b"\n");
    assert_eq!(
        excess_and_connections(&newline.address()),
        [("", "new"), ("\n", "reopened")].map(owned)
    );
}

#[test]
fn after_an_answer_too_many_another_connection_is_taken() {
    let bytes = "action=OK\n\naction=REJECT\n\n";
    let stub = Stub::tcp(Script::bytes(bytes));
    let excess = "action=REJECT\n\n";
    assert_eq!(
        excess_and_connections(&stub.address()),
        [(excess, "new"), (excess, "reopened")].map(owned)
    );
    let ended = query(&[&stub.address(), "--count", "2", "-v"]);
    assert!(ended.err.contains(" ms over another connection: what came over the one before could be taken for this answer\n"), "{ended:?}");
}

/// What two requests find besides their answers, and over which connection they go.
fn excess_and_connections(endpoint: &str) -> Vec<(String, String)> {
    let ended = query(&[endpoint, "--count", "2", "--json"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let objects = ended.out.lines().map(|line| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        (text("excess"), text("connection"))
    });
    objects.collect()
}

fn owned((excess, connection): (&str, &str)) -> (String, String) {
    (excess.to_owned(), connection.to_owned())
}
