//! `policy-client tap`: what goes through it, what it shows and what it records.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use policy_testing::{
    process::{Client, Ended, Process, Signal, policy_client, request, run},
    stub::{Reply, Script, Stub},
    within,
};
use tempfile::TempDir;

use crate::query::closed_port;

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
fn bytes_go_through_as_they_are_whatever_they_are() {
    let reply = b"220 hello\n\xff\0action=OK\n\n".to_vec();
    let stub = Stub::tcp(Script::reply(Reply::Bytes(reply.clone())));
    let tap = Tap::start(&stub.address(), &[]);
    let client = tap.connect();
    let odd = b"x\n=\0\xff\r\nrubbish\n\n";
    client.send(odd);
    let mut got = Vec::new();
    while got.len() < reply.len() {
        got.extend(client.read_once());
    }
    assert_eq!(got, reply);
    assert!(stub.wait_requests(1));
    assert_eq!(stub.requests()[0], odd);
    assert!(
        tap.process
            .out
            .wait_lines(1, "the client sends something else than requests: ")
    );
    assert!(
        tap.process
            .out
            .wait_lines(1, "the server sends something else than answers: ")
    );
    tap.stop();
}

#[test]
fn the_end_of_either_side_goes_through() {
    let stub = Stub::tcp(Script::answer("OK").closing());
    let tap = Tap::start(&stub.address(), &[]);
    let mut client = tap.connect();
    assert_eq!(client.ask_about("x"), "OK");
    assert!(client.is_ended(), "the server's");
    drop(client);
    stub.set(Script::default());
    let mut client = tap.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    drop(client);
    assert!(
        within(policy_testing::process::PATIENCE, || stub.open() == 0),
        "the client's"
    );
    tap.stop();
}

#[test]
fn a_server_that_is_not_there_is_a_connection_that_ends() {
    let tap = Tap::start(&closed_port(), &[]);
    let mut client = tap.connect();
    client.try_send(&request(&[]));
    assert!(client.is_ended());
    assert!(
        tap.process
            .out
            .wait_lines(1, "cannot connect to inet:127.0.0.1:")
    );
    tap.stop();
}

#[test]
fn what_is_recorded_can_be_replayed() {
    let dir = TempDir::new().unwrap();
    let record = dir.path().join("record");
    let record = record.to_str().unwrap();
    let stub = Stub::tcp(Script::reply(Reply::Choose(|request| {
        if String::from_utf8_lossy(request).contains("sender=close") {
            Reply::CloseUnanswered
        } else {
            Reply::Bytes(b"action=REJECT no\n\n".to_vec())
        }
    })));
    let tap = Tap::start(&stub.address(), &["--record", record, "--quiet"]);
    let mut client = tap.connect();
    for sender in ["a@x", "b@x"] {
        client.ask(&request(&[("sender", sender)]));
    }
    let mut client = tap.connect();
    client.send(&request(&[("sender", "close")]));
    assert!(client.is_ended());
    let ended = tap.stop();
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    assert!(
        ended.err.starts_with("2 answered, 1 without an answer in "),
        "{ended:?}"
    );
    let text = fs::read_to_string(record).unwrap();
    assert!(text.starts_with("# policy-client tap\n#: time="), "{text}");
    assert_eq!(text.matches(" action=REJECT no\n").count(), 2, "{text}");
    assert_eq!(
        text.matches(" error=closed without an answer\n").count(),
        1,
        "{text}"
    );
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(record).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let before = stub.requests();
    let ended = run(
        policy_client(),
        &[
            "replay",
            record,
            &stub.address(),
            "--diff",
            "recorded",
            "--full-speed",
        ],
    );
    assert_eq!(
        ended.code,
        Some(69),
        "one was not answered again: {ended:?}"
    );
    assert!(ended.out.contains("0 of 3 differ\n"), "{ended:?}");
    let mut after: Vec<_> = stub.requests().split_off(before.len());
    after.retain(|request| !request.ends_with(b"sender=close\n\n"));
    assert_eq!(after, before[..2]);
    // Nothing is written over.
    let ended = run(
        policy_client(),
        &[
            "tap",
            "inet:127.0.0.1:0",
            &stub.address(),
            "--record",
            record,
        ],
    );
    assert_eq!(ended.code, Some(73), "{ended:?}");
}

#[test]
fn anonymised_is_what_is_shown_and_recorded_and_not_what_goes_through() {
    let dir = TempDir::new().unwrap();
    let [key, first, second] =
        ["key", "first", "second"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    fs::write(&key, "0123456789abcdef").unwrap();
    let stub = Stub::tcp(Script::answer("REJECT secret@private.example is blocked"));
    let mut shown = Vec::new();
    for record in [&first, &second] {
        let args = ["--anonymise", "--key-file", &key, "--record", record];
        let tap = Tap::start(&stub.address(), &args);
        let request = request(&[
            ("client_address", "192.0.2.77"),
            ("sender", "secret@private.example"),
        ]);
        let answer = tap.connect().ask(&request);
        assert_eq!(answer, "REJECT secret@private.example is blocked");
        assert!(
            stub.requests()
                .pop()
                .unwrap()
                .ends_with(b"sender=secret@private.example\n\n")
        );
        assert!(tap.process.out.wait_lines(1, " -> "));
        let ended = tap.stop();
        let recorded = fs::read_to_string(record).unwrap();
        for text in [&ended.out, &recorded] {
            for private in ["secret", "private", "192.0.2.77"] {
                assert!(!text.contains(private), "{text}");
            }
        }
        let sender = recorded
            .lines()
            .find_map(|line| line.strip_prefix("sender="))
            .unwrap();
        assert!(
            recorded.contains(&format!(" action=REJECT {sender} is blocked\n")),
            "{recorded}"
        );
        shown.push(
            recorded
                .lines()
                .skip(2)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(shown[0], shown[1], "the same key, the same names");
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

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let stub = Stub::tcp(Script::answer("late").held());
    let tap = Tap::start(&stub.address(), &[]);
    let mut client = tap.connect();
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    tap.process.signal(Signal::TERM);
    // It listens no more.
    let address = tap.endpoint.trim_start_matches("inet:").to_owned();
    assert!(within(policy_testing::process::PATIENCE, || {
        TcpStream::connect(&address).is_err()
    }));
    stub.release();
    assert_eq!(client.action(), "late");
    let ended = tap.process.end();
    assert!(ended.err.starts_with("1 answered, "), "{ended:?}");
}

#[test]
fn more_connections_than_are_allowed_wait() {
    let stub = Stub::tcp(Script::default());
    let tap = Tap::start(&stub.address(), &["--max-connections", "1"]);
    let mut first = tap.connect();
    assert_eq!(first.ask_about("x"), "dunno");
    let mut second = tap.connect();
    second.send(&request(&[]));
    assert_eq!(first.ask_about("x"), "dunno");
    assert_eq!(stub.connections(), 1);
    drop(first);
    assert_eq!(second.action(), "dunno");
    tap.stop();
}

/// Postfix does not care whether somebody looks on.
#[test]
fn a_reader_that_has_gone_does_not_end_it() {
    let stub = Stub::tcp(Script::default());
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = std::process::Command::new(policy_client());
    command
        .args(["tap", "inet:127.0.0.1:0", &stub.address()])
        .stdout(writer);
    let mut process = Process::untouched(&mut command);
    drop(command);
    let mut said = [0; 100];
    let count = reader.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..count]).into_owned();
    let endpoint = said.trim().strip_prefix("listening on ").unwrap();
    drop(reader);
    let mut client = Client::connect(endpoint);
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert!(process.is_running());
}

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &["nonsense", "127.0.0.1:1"][..],
        &["inet:127.0.0.1:0", "nonsense"],
        &["inet:127.0.0.1:0"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "--max-connections", "0"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "--key-file", "/dev/null"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "-q", "-v"],
    ] {
        let ended = run(policy_client(), &[&["tap"], args].concat());
        assert_eq!(
            (ended.code, &*ended.out),
            (Some(64), ""),
            "{args:?}: {ended:?}"
        );
    }
    let args = [
        "tap",
        "inet:127.0.0.1:0",
        "127.0.0.1:1",
        "--anonymise",
        "--key-file",
        "/dev/null",
    ];
    let ended = run(policy_client(), &args);
    assert_eq!(ended.code, Some(66), "an empty key: {ended:?}");
}

/// `policy-client tap`.
struct Tap {
    process: Process,
    endpoint: String,
}

impl Tap {
    fn start(upstream: &str, args: &[&str]) -> Self {
        let args = [&["tap", "inet:127.0.0.1:0", upstream], args].concat();
        let process = Process::start(policy_client(), &args);
        assert!(
            process.out.wait_lines(1, "listening on "),
            "{:?}",
            process.err.text()
        );
        let said = process.out.text();
        let first = said.lines().next();
        let endpoint = first.and_then(|line| line.strip_prefix("listening on "));
        Self {
            endpoint: endpoint.expect("its first line").to_owned(),
            process,
        }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.endpoint)
    }

    fn stop(self) -> Ended {
        self.process.signal(Signal::INT);
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }
}
