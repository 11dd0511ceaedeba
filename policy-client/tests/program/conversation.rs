//! `policy-client query` with several requests: one connection, a template, a pause, and the bytes of both directions.

use std::{fs, process::Command};

use policy_testing::{
    process::{Process, Signal, policy_client},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::{assert_answered, query, query::echo};

#[test]
fn several_requests_go_over_one_connection_and_their_times_are_summed_up() {
    let stub = Stub::tcp(Script::default());
    let ended = query(&[&stub.address(), "--count", "3"]);
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(0), "dunno\ndunno\ndunno\n")
    );
    assert_eq!(stub.connections(), 1);
    assert!(
        ended.err.starts_with("3 answered, 0 without an answer in "),
        "{ended:?}"
    );
    assert!(
        ended.err.contains(": median ") && ended.err.lines().count() == 1,
        "{ended:?}"
    );
    let requests = stub.requests();
    assert_ne!(requests[0], requests[1], "each has its own instance");
}

#[test]
fn a_server_that_closes_after_each_answer_is_asked_over_new_connections() {
    let stub = Stub::tcp(Script::answer("OK").closing());
    let ended = query(&[&stub.address(), "--count", "3", "--json"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    assert_eq!(stub.connections(), 3);
    let connections: Vec<_> = ended
        .out
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["connection"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(connections, ["new", "reopened", "reopened"]);
}

#[test]
fn a_template_gives_the_attributes_that_are_not_given() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("template");
    fs::write(
        &path,
        "# two requests\nsender=a{n}@x\nown={n}-{n}\n\nsender=b@x\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let args = [
        "--template",
        path,
        "--count",
        "2",
        "recipient=r@x",
        "own=1",
        "own=2",
    ];
    let ended = query(&[&[&*stub.address()], &args[..6]].concat());
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(0), "a1@x\nb@x\na3@x\nb@x\n")
    );
    let requests = stub.requests();
    let first = String::from_utf8_lossy(&requests[0]);
    assert!(
        first.ends_with("sender=a1@x\nown=1\nrecipient=r@x\n\n"),
        "{first}"
    );
    let ended = query(&[&[&*stub.address(), "--preset", "rcpt"], &args[..2]].concat());
    assert_eq!((ended.code, &*ended.out), (Some(0), "a1@x\nb@x\n"));
    let third = String::from_utf8_lossy(&stub.requests()[4]).into_owned();
    assert!(third.contains("\nclient_address=192.0.2.1\n") && third.ends_with("\nown=1-1\n\n"));
}

#[test]
fn a_template_that_is_none_ends_with_the_place_of_the_fault() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("template");
    let path = path.to_str().unwrap();
    let stub = Stub::tcp(Script::default());
    let ask = || query(&[&stub.address(), "--template", path]);
    let ended = ask();
    assert_eq!(ended.code, Some(66), "{ended:?}");
    for (text, fault) in [
        ("a=1\n\nrubbish\n", "line 3: no '='"),
        ("# nothing\n", "there is no request"),
    ] {
        fs::write(path, text).unwrap();
        let ended = ask();
        assert_eq!(ended.code, Some(65), "{ended:?}");
        assert!(ended.err.contains(&format!("{path}: {fault}")), "{ended:?}");
    }
    assert_eq!(stub.connections(), 0);
}

#[test]
fn the_bytes_of_both_directions_are_shown_on_standard_error() {
    let stub = Stub::tcp(Script::reply(Reply::Pieces(
        vec![b"action=REJ".to_vec(), b"ECT\r\n\n".to_vec()],
        std::time::Duration::from_millis(50),
    )));
    let ended = query(&[&stub.address(), "-v", "instance=i", "x=a\x1bb"]);
    assert_eq!((ended.code, &*ended.out), (Some(0), "REJECT\n"));
    let lines: Vec<_> = ended.err.lines().collect();
    assert_eq!(
        lines[..7],
        [
            "> request=smtpd_access_policy",
            "> protocol_state=RCPT",
            "> instance=i",
            "> x=a?b",
            ">",
            "< action=REJ (no line feed)",
            "< ECT\\r",
        ]
    );
    let mut lines = lines.iter();
    let taken = lines.find(|line| line.starts_with("* ")).unwrap();
    assert!(taken.starts_with("* answered after ") && taken.ends_with(" ms over a new connection"));
}

#[test]
fn an_interval_lies_between_requests() {
    let stub = Stub::tcp(Script::default());
    let args = ["query", &stub.address(), "--count", "2", "--interval", "1m"];
    let process = Process::start(policy_client(), &args);
    assert!(process.out.wait_lines(1, "dunno"));
    assert_eq!(stub.requests().len(), 1);
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!((ended.code, &*ended.out), (Some(0), "dunno\n"));
    assert!(
        ended.err.starts_with("1 answered, 0 without an answer"),
        "{ended:?}"
    );
    assert!(ended.err.trim_end().ends_with("(interrupted)"), "{ended:?}");
}

#[test]
fn ctrl_c_before_an_answer_ends_with_69() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let process = Process::start(policy_client(), &["query", &stub.address()]);
    assert!(stub.wait_requests(1));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!((ended.code, &*ended.out), (Some(69), ""));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let stub = Stub::tcp(Script::default());
    for (options, to) in [("", "|"), ("-v", "2>&1 |")] {
        let script = format!(
            "exec 3>&1; {{ {} query {} --count 2000 {options}; echo $? >&3; }} {to} head -n 1 >/dev/null",
            policy_client(),
            stub.address()
        );
        let ended = Process::of(Command::new("sh").args(["-c", &script])).end();
        assert_eq!(ended.out, "0\n", "{ended:?}");
        assert!(!ended.err.contains("panicked"), "{ended:?}");
    }
    assert!(stub.requests().len() < 4000, "it ends then");
}

#[test]
fn counts_and_intervals_that_are_none_are_refused() {
    for args in [
        &["--count", "0"][..],
        &["--count", "x"],
        &["--interval", "1"],
        &["-", "--count", "2"],
        &["--template"],
    ] {
        let ended = query(&[&["127.0.0.1:1"], args].concat());
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
    }
    let stub = Stub::tcp(Script::default());
    assert_answered(&query(&[&stub.address(), "--count", "1"]), "dunno\n");
}
