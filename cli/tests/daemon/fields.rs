//! `--log-to`: the fields of lines in systemd's journal, and in JSON lines.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    process::{Client, Process, Signal, hapolicy, is_root, request},
    stub::{Script, Stub},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::service;

/// A sender that would write fields of its own.
const FORGED: &str = "\",\"level\":\"fatal\"}\tMESSAGE=x@s.test";

#[test]
fn json_lines_have_the_values_of_a_request_as_keys() {
    let directory = TempDir::new().unwrap();
    let endpoint = format!("unix:{}", directory.path().join("socket").display());
    let stub = Stub::tcp(Script::answer("REJECT x=\"1\""));
    let good = service("good", &stub, ":2");
    let words = [
        "--log-to=json",
        "-l",
        "--listen",
        &endpoint,
        "-s",
        "bad=127.0.0.1:1:1",
        "-s",
        &good,
    ];
    let daemon = Process::start(hapolicy(), &words);
    assert!(daemon.out.wait_lines(1, "listening on "));
    ask(&endpoint);
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    let lines: Vec<Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    for line in &lines {
        assert_eq!(line["program"], "hapolicy");
        assert!(
            ["info", "notice", "warning"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        let time = line["time"].as_str().unwrap();
        assert!(
            time.len() == "2026-01-01T00:00:00.000000Z".len() && time.ends_with('Z'),
            "{time}"
        );
    }
    let with = |key: &str, value: &str| lines.iter().find(|line| line[key] == value);
    let line = with("instance", "12.34.0").expect("the request's line");
    for (key, value) in [
        ("queue_id", "4ABCxyz".into()),
        ("client_address", "192.0.2.1".into()),
        ("sender", FORGED.into()),
        ("service", "good".into()),
        ("failed", "bad".into()),
        ("attempts", 2.into()),
        ("action", "REJECT x=\"1\"".into()),
        ("default", "no".into()),
        ("message_id", REQUEST.into()),
        ("level", Value::from("info")),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert!(
        line["ms"].is_number() && line.get("recipient").is_none(),
        "{line}"
    );
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .starts_with("queue_id=4ABCxyz instance=12.34.0 ")
    );
    let down = with("message_id", DOWN).expect("a line about the state");
    assert_eq!(
        (&down["service"], &down["level"]),
        (&"bad".into(), &"warning".into())
    );
    assert!(
        down["message"]
            .as_str()
            .unwrap()
            .starts_with("'bad' (127.0.0.1:1) is down: "),
        "{down}"
    );
}

#[test]
fn the_journal_finds_lines_by_their_fields() {
    let journald = "/lib/systemd/systemd-journald";
    if !is_root() || !Path::new(journald).exists() {
        eprintln!("SKIPPED: it needs root and {journald}");
        return;
    }
    let directory = TempDir::new().unwrap();
    let endpoint = format!("unix:{}", directory.path().join("socket").display());
    let stub = Stub::tcp(Script::answer("REJECT x"));
    let good = service("good", &stub, ":2");
    // A journal of its own, which the test is not to share with the machine. It ends with the first process here.
    let script = "
        mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal || exit 1
        [ -s /etc/machine-id ] || { echo 0123456789abcdef0123456789abcdef >/run/id; mount --bind /run/id /etc/machine-id; }
        $1 & shift
        until [ -S /run/systemd/journal/socket ]; do sleep 0.02; done
        \"$@\" & daemon=$!
        read -r _
        kill $daemon; wait $daemon || exit 1
        journalctl --sync && journalctl --all --output=json --identifier=hapolicy
    ";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", script, "sh", journald, hapolicy()]);
    command.args(["--log-to=journal", "-l", "--listen", &endpoint]);
    command.args(["-s", "bad=127.0.0.1:1:1", "-s", &good]);
    let (out, input) = std::io::pipe().unwrap();
    let process = Process::of(command.stdin(Stdio::from(out)));
    assert!(
        eventually(|| Client::try_connect(&endpoint).is_ok()),
        "{}",
        process.err.text()
    );
    ask(&endpoint);
    (&input).write_all(b"end\n").unwrap();
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let entries: Vec<Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let with = |field: &str, value: &str| entries.iter().find(|entry| entry[field] == value);
    let entry = with("QUEUE_ID", "4ABCxyz").expect("the request's entry");
    for (field, value) in [
        ("INSTANCE", "12.34.0"),
        ("CLIENT_ADDRESS", "192.0.2.1"),
        ("SENDER", FORGED),
        ("SERVICE", "good"),
        ("ATTEMPTS", "2"),
        ("FAILED", "bad"),
        ("ACTION", "REJECT x"),
        ("DEFAULT", "no"),
        ("MESSAGE_ID", REQUEST),
        ("PRIORITY", "6"),
        ("SYSLOG_FACILITY", "2"),
        ("_TRANSPORT", "journal"),
    ] {
        assert_eq!(entry[field], value, "{field}: {entry}");
    }
    let down = with("MESSAGE_ID", DOWN).expect("an entry about the state");
    assert_eq!(
        (&down["SERVICE"], &down["PRIORITY"]),
        (&"bad".into(), &"4".into())
    );
    let text = down["MESSAGE"].as_str().unwrap();
    assert!(
        text.starts_with("warning: 'bad' (127.0.0.1:1) is down: "),
        "{text}"
    );
}

fn ask(endpoint: &str) {
    let attributes = [
        ("queue_id", "4ABCxyz"),
        ("instance", "12.34.0"),
        ("client_address", "192.0.2.1"),
        ("sender", FORGED),
    ];
    Client::connect(endpoint).ask(&request(&attributes));
}

const DOWN: &str = "9d8b6d1e52a44c0eb8a16f0f3c571e02";
const REQUEST: &str = "9d8b6d1e52a44c0eb8a16f0f3c571e07";
