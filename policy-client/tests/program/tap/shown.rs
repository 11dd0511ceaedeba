//! `policy-client tap` shows requests and answers.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
};

use policy_testing::{
    process::{Client, Process, Signal, policy_client, request},
    stub::{Script, Stub},
};

use super::Tap;

#[test]
fn requests_and_answers_go_through_and_are_shown() {
    let stub = Stub::tcp(Script::answer("REJECT 5.7.1 no"));
    let tap = Tap::start(&stub.address(), &[]);
    let mut client = tap.connect();
    for sender in ["a@x", "b c"] {
        let request = request(&[
            ("protocol_state", "RCPT"),
            ("client_address", "192.0.2.1"),
            ("sender", sender),
        ]);
        assert_eq!(client.ask(&request), "REJECT 5.7.1 no");
    }
    assert_eq!(stub.connections(), 1);
    assert!(tap.process.out.wait_lines(2, " -> "));
    let ended = tap.stop();
    let lines: Vec<_> = ended.out.lines().skip(1).collect();
    assert!(lines[0].starts_with("+0.000s #"), "{ended:?}");
    for (line, sender) in lines.iter().zip(["a@x", "b\\x20c"]) {
        let part = format!(
            " RCPT client_address=192.0.2.1 helo_name= sender={sender} recipient= -> REJECT 5.7.1 no ("
        );
        assert!(line.contains(&part) && line.ends_with(" ms)"), "{line}");
    }
    assert!(
        ended.err.starts_with("2 answered, 0 without an answer in "),
        "{ended:?}"
    );
}

#[test]
fn answers_stay_with_their_requests_where_too_many_are_asked_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let tap = Tap::start(&listener.local_addr().unwrap().to_string(), &[]);
    let numbers = || 0..150;
    let requests: Vec<_> = numbers().map(|n| format!("sender={n}\n\n")).collect();
    let client = tap.connect();
    client.send(requests.concat().as_bytes());
    let (mut server, _) = listener.accept().unwrap();
    server
        .read_exact(&mut vec![0; requests.concat().len()])
        .unwrap();
    let answers: String = numbers().map(|n| format!("action=OK {n}\n\n")).collect();
    server.write_all(answers.as_bytes()).unwrap();
    assert!(tap.process.out.wait_lines(1, " -> OK 149 ("));
    let ended = tap.stop();
    let line_of = |n: u32| {
        let sender = format!(" sender={n} ");
        ended.out.lines().find(|line| line.contains(&sender))
    };
    for (number, answer) in [
        (0, "(too many requests without an answer)"),
        (49, "(too many requests without an answer)"),
        (50, "OK 50 ("),
        (149, "OK 149 ("),
    ] {
        let line = line_of(number).unwrap_or_default();
        assert!(line.contains(&format!(" -> {answer}")), "{number}: {line}");
    }
}

#[test]
fn objects_and_all_attributes_are_shown_when_wanted() {
    let stub = Stub::tcp(Script::answer("OK"));
    let tap = Tap::start(&stub.address(), &["--verbose"]);
    tap.connect()
        .ask(&request(&[("sender", "a@x"), ("own", "1")]));
    assert!(tap.process.out.wait_lines(1, "    own=1"));
    let ended = tap.stop();
    assert!(
        ended.out.contains(" -> OK (") && ended.out.contains("\n    sender=a@x\n"),
        "{ended:?}"
    );

    let listen = ["tap", "inet:127.0.0.1:0", &stub.address(), "--json"];
    let process = Process::start(policy_client(), &listen);
    assert!(process.out.wait_lines(1, "listening"));
    let first: serde_json::Value = serde_json::from_str(process.out.text().trim()).unwrap();
    let endpoint = first["listening"].as_str().unwrap().to_owned();
    Client::connect(&endpoint).ask(&request(&[("sender", "a@x")]));
    assert!(process.out.wait_lines(1, "\"action\":\"OK\""));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let object: serde_json::Value =
        serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    let fields: Vec<_> = object.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "action",
            "connection",
            "elapsed_ms",
            "error",
            "request",
            "time"
        ]
    );
    assert_eq!(object["request"]["sender"], "a@x");
}

/// Postfix ignores it where it comes with the answer: those that follow are answers as before.
#[test]
fn a_newline_too_many_is_told_once_and_hides_no_answer() {
    let stub = Stub::tcp(Script::bytes("action=OK\n\n\n"));
    let tap = Tap::start(&stub.address(), &[]);
    let client = tap.connect();
    for _ in 0..3 {
        client.send(&request(&[]));
        assert_eq!(client.read_once(), b"action=OK\n\n\n");
    }
    assert!(tap.process.out.wait_lines(3, " -> OK"));
    drop(client);
    let ended = tap.stop();
    let told = "the server sends a newline too many after its answer";
    assert_eq!(ended.out.matches(told).count(), 1, "{ended:?}");
    assert!(
        ended.err.starts_with("3 answered, 0 without an answer in "),
        "{ended:?}"
    );
}
