//! `policy-client query`: what it asks and what it prints.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};

use policy_testing::{
    free_port,
    process::{self, Process, policy_client},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::{assert_answered, query, standard_input::query_with_input, terminal};

#[test]
fn query_prints_the_action_alone() {
    let dir = TempDir::new().unwrap();
    let stubs = [
        Stub::tcp(Script::answer("REJECT no")),
        Stub::unix(dir.path().join("policy.sock"), Script::answer("REJECT no")),
    ];
    for stub in stubs {
        let ended = query(&[&stub.address()]);
        assert_answered(&ended, "REJECT no\n");
        let request = String::from_utf8(stub.requests().remove(0)).unwrap();
        let (names, values): (Vec<_>, Vec<_>) = request
            .lines()
            .filter_map(|line| line.split_once('='))
            .unzip();
        assert_eq!(names, ["request", "protocol_state", "instance"]);
        assert_eq!(values[..2], ["smtpd_access_policy", "RCPT"]);
        assert!(!values[2].is_empty());
    }
}

#[test]
fn query_prints_the_very_bytes_but_not_to_a_terminal() {
    let stub = Stub::tcp(Script::bytes(
        &b"action=REJECT \x1b[2J\xc2\x9b1m gr\xc3\xbcn\n\n"[..],
    ));
    let query = || {
        let mut command = Command::new(policy_client());
        command.args(["query", &stub.address()]);
        command
    };
    let piped = query().output().unwrap();
    assert_eq!(piped.stdout, b"REJECT \x1b[2J\xc2\x9b1m gr\xc3\xbcn\n");

    let (terminal, screen) = terminal::open();
    let status = query().stdout(screen).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let shown = terminal::read(&terminal);
    assert_eq!(shown, "REJECT ?[2J\\xc2\\x9b1m grün\r\n");
}

#[test]
fn query_takes_every_form_of_an_endpoint() {
    let stub = Stub::tcp(Script::answer("OK"));
    for endpoint in [
        format!("127.0.0.1:{}", stub.port()),
        format!("inet:127.0.0.1:{}", stub.port()),
        format!("localhost:{}", stub.port()),
    ] {
        assert_answered(&query(&[&endpoint]), "OK\n");
    }
}

#[test]
fn query_adds_defaults_only_where_they_are_missing() {
    let stub = Stub::tcp(Script::default());
    let all = [
        "instance=i",
        "sender=a=b c",
        "protocol_state=DATA",
        "request=other",
        "sender=2",
    ];
    assert_answered(
        &query(&[&[stub.address().as_str()], &all[..]].concat()),
        "dunno\n",
    );
    assert_answered(
        &query(&[&stub.address(), "protocol_state=", "instance="]),
        "dunno\n",
    );
    let requests = stub.requests();
    assert_eq!(
        requests[0],
        (all.join("\n") + "\n\n").into_bytes(),
        "as they were given"
    );
    let second = String::from_utf8_lossy(&requests[1]).into_owned();
    assert_eq!(
        process::lines(&second, "protocol_state"),
        ["protocol_state="]
    );
    assert_eq!(process::lines(&second, "instance"), ["instance="]);
    assert_eq!(
        process::lines(&second, "request"),
        ["request=smtpd_access_policy"]
    );
}

#[test]
fn query_sends_any_bytes() {
    let stub = Stub::tcp(Script::default());
    let process = Process::of(
        Command::new(policy_client())
            .args(["query", &stub.address()])
            .arg(OsStr::from_bytes(b"helo_name=caf\xe9 \xff")),
    );
    assert_answered(&process.end(), "dunno\n");
    let request = stub.requests().remove(0);
    assert!(
        request.ends_with(b"helo_name=caf\xe9 \xff\n\n"),
        "{request:?}"
    );
}

#[test]
fn query_prints_objects_when_asked_to() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let endpoint = stub.address();
    let ended = query_with_input(
        &[&endpoint, "--json", "-"],
        "sender=a \"b\"\n\nsender=2\n\n",
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let objects: Vec<serde_json::Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    for (object, action) in objects.iter().zip(["a \"b\"", "2"]) {
        let fields: Vec<_> = object.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            [
                "action",
                "connection",
                "elapsed_ms",
                "endpoint",
                "error",
                "excess",
                "postfix",
                "unusual"
            ]
        );
        assert_eq!(object["action"], action);
        assert!(
            object["elapsed_ms"]
                .as_f64()
                .is_some_and(|elapsed| elapsed > 0.0)
        );
        assert_eq!(object["endpoint"], format!("inet:{endpoint}"));
        assert!(object["error"].is_null() && object["excess"].is_null());
    }
}

/// What shows it may be a terminal, however many programs are between.
#[test]
fn an_object_has_no_character_that_commands_a_terminal() {
    let action = "gr\u{fc}n \u{9b}2J \u{202e}\u{7f}\u{1b}";
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let input = format!("sender={action}\n\n");
    let ended = query_with_input(&[&stub.address(), "--json", "-"], &input);
    let escaped = "\"gr\u{fc}n \\u009b2J \\u202e\\u007f\\u001b\"";
    assert!(ended.out.contains(escaped), "{ended:?}");
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(object["action"], action);
}

#[test]
fn query_prints_an_object_for_a_failure_as_well() {
    let ended = query(&[&closed_port(), "--json"]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert!(object["action"].is_null());
    assert!(
        object["error"]
            .as_str()
            .is_some_and(|error| !error.is_empty()),
        "{object}"
    );
    assert!(object["elapsed_ms"].is_number());
}

#[test]
fn query_that_is_not_answered_ends_with_69_and_says_why() {
    let hung = Stub::tcp(Script::reply(Reply::Hang));
    let closing = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let garbage = Stub::tcp(Script::bytes("220 hello\n"));
    let cut = Stub::tcp(Script::bytes("action=REJ").closing());
    for endpoint in [
        closed_port(),
        "unix:/nonexistent/policy.sock".to_owned(),
        "name.invalid:25".to_owned(),
        hung.address(),
        closing.address(),
        garbage.address(),
        cut.address(),
    ] {
        let ended = query(&[&endpoint, "--timeout", "500ms"]);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(69), ""),
            "{endpoint}: {ended:?}"
        );
        assert!(
            ended.err.starts_with("no answer: "),
            "{endpoint}: {ended:?}"
        );
        let others = ended.err.lines().skip(1);
        let of_postfix = others.filter(|line| line.starts_with("Postfix "));
        assert!(of_postfix.count() > 1, "{endpoint}: {ended:?}");
    }
}

/// A port where nobody listens, and that no other test gets.
pub(crate) fn closed_port() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Answers with the request's sender.
pub(crate) fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
