//! `policy-client bench`: what it counts is what a server has seen, and what it measures is what there was.

use std::{collections::BTreeMap, fs, time::Duration};

use policy_testing::{
    process::{Ended, policy_client, run},
    stub::{Reply, Script, Stub},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::query::closed_port;

#[test]
fn each_request_that_is_counted_has_come_to_the_server() {
    let dir = TempDir::new().unwrap();
    for stub in [
        Stub::tcp(Script::default()),
        Stub::unix(dir.path().join("policy"), Script::default()),
    ] {
        for (args, requests, connections) in [
            (&["-n", "500", "-c", "4"][..], 500, 4),
            (&["-n", "100", "-c", "4", "--new", "request"], 100, 100),
            (
                &[
                    "-n",
                    "60",
                    "-c",
                    "1",
                    "--new",
                    "message",
                    "--recipients",
                    "3",
                ],
                60,
                20,
            ),
            (&["-n", "200", "-c", "8", "--rate", "1000"], 200, 8),
        ] {
            let (before, connected) = (stub.requests().len(), stub.connections());
            let report = report(&stub.address(), args);
            assert_eq!(stub.requests().len() - before, requests, "{args:?}");
            assert_eq!(stub.connections() - connected, connections, "{args:?}");
            assert_eq!(number(&report, "/requests"), requests);
            assert_eq!(number(&report, "/answers"), requests);
            assert_eq!(number(&report, "/connections_opened"), connections);
            assert_eq!(number(&report, "/actions/dunno"), requests);
            assert_eq!(number(&report, "/missing/total"), 0);
        }
    }
}

#[test]
fn answers_are_counted_as_an_independent_look_at_the_requests_says() {
    let stub = Stub::tcp(Script::reply(Reply::Call(by_the_last_digit_of_the_sender)));
    let args = [
        "-n",
        "1000",
        "--expect",
        "^DUNNO|^DEFER greylisted",
        "--default",
        "^DEFER nobody$",
    ];
    let ended = bench(&stub.address(), &[&args, &["--json"][..]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = object(&ended);
    let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for request in stub.requests() {
        *counts
            .entry(by_the_last_digit_of_the_sender(&request))
            .or_default() += 1;
    }
    let count = |reply: &str| counts[reply.as_bytes()];
    assert_eq!(number(&report, "/wrong"), count("action=REJECT\n\n"));
    assert_eq!(
        number(&report, "/actions/REJECT"),
        count("action=REJECT\n\n")
    );
    assert_eq!(
        number(&report, "/default"),
        count("action=DEFER nobody\n\n")
    );
    assert_eq!(number(&report, "/actions/DUNNO"), count("action=DUNNO\n\n"));
    assert_eq!(number(&report, "/answers"), 1000);
}

/// One request of 600 takes a second. In an open loop 200 others have planned times in it; in a closed one nobody waits.
#[test]
fn a_stall_of_a_second_is_seen_in_the_p99_of_an_open_loop() {
    let (stub, _) = (Stub::tcp(Script::default()), ());
    let stalls = || {
        let usual = vec![Script::default(); 100];
        let stall = Script::default().after(Duration::from_secs(1));
        stub.set_sequence(usual.into_iter().chain([stall, Script::default()]));
    };
    stalls();
    let open = report(&stub.address(), &["-c", "1", "-n", "600", "--rate", "200"]);
    assert!(latency(&open, "p99") > 900_000.0, "{open}");
    assert!(latency(&open, "p75") > 100_000.0, "{open}");
    assert!(number(&open, "/late/requests") > 150, "{open}");
    stalls();
    let closed = report(&stub.address(), &["-c", "1", "-n", "600"]);
    assert!(latency(&closed, "max") >= 1_000_000.0, "{closed}");
    assert!(latency(&closed, "p99") < 500_000.0, "{closed}");
}

#[test]
fn a_request_without_an_answer_is_missing_and_it_is_known_why() {
    let nobody = closed_port();
    let none = Script::bytes("x=y\n\n");
    let garbage = Script::bytes("220 hello\n");
    for (script, args, reason) in [
        (
            Some(Script::reply(Reply::CloseUnanswered)),
            &[][..],
            "closed",
        ),
        (
            Some(Script::reply(Reply::Reset(b"act".to_vec()))),
            &[],
            "closed",
        ),
        (
            Some(Script::reply(Reply::Hang)),
            &["--timeout", "50ms"],
            "timed_out",
        ),
        (Some(none), &[], "invalid"),
        (Some(garbage), &["--timeout", "50ms"], "timed_out"),
        (None, &[], "refused"),
    ] {
        let stub = script.map(Stub::tcp);
        let address = stub.as_ref().map_or_else(|| nobody.clone(), Stub::address);
        let args = [&["-n", "12", "-c", "3", "--json"], args].concat();
        let ended = bench(&address, &args);
        assert_eq!(ended.code, Some(69), "{reason}: {ended:?}");
        let report = object(&ended);
        assert_eq!(
            number(&report, &format!("/missing/{reason}")),
            12,
            "{report}"
        );
        assert_eq!(number(&report, "/missing/total"), 12);
        assert_eq!(
            (number(&report, "/requests"), number(&report, "/answers")),
            (12, 0)
        );
    }
}

#[test]
fn a_server_that_closes_each_connection_after_its_answer_loses_no_request() {
    let stub = Stub::tcp(Script::default().closing());
    let report = report(&stub.address(), &["-n", "100", "-c", "2"]);
    assert_eq!(number(&report, "/answers"), 100);
    assert!(number(&report, "/connections_opened") >= 100, "{report}");
    let twice = number(&report, "/repeated");
    assert!(stub.requests().len() <= 100 + twice, "{report}");
}

#[test]
fn a_newline_too_many_is_seen() {
    let stub = Stub::tcp(Script::bytes("action=dunno\n\n\n"));
    let report = report(&stub.address(), &["-n", "10", "-c", "1"]);
    assert_eq!(number(&report, "/answers"), 10);
    assert!(number(&report, "/excess") >= 9, "{report}");
}

#[test]
fn an_unusual_answer_is_one_and_counted() {
    let stub = Stub::tcp(Script::bytes("220 hello\naction=dunno\n\n"));
    let report = report(&stub.address(), &["-n", "10", "-c", "1"]);
    assert_eq!(number(&report, "/answers"), 10);
    assert_eq!(number(&report, "/unusual"), 10);
    assert_eq!(number(&report, "/actions/dunno"), 10);
}

#[test]
fn a_rate_is_kept_and_a_warm_up_is_not_measured() {
    let stub = Stub::tcp(Script::default());
    let args = ["--rate", "200", "--duration", "500ms", "--warm-up", "250ms"];
    let report = report(&stub.address(), &args);
    assert_eq!(number(&report, "/warm_up/requests"), 50);
    assert_eq!(number(&report, "/requests"), 100);
    assert_eq!(stub.requests().len(), 150);
}

#[test]
fn the_requests_of_a_message_go_over_one_connection_one_after_the_other() {
    let stub = Stub::tcp(Script::default());
    let args = [
        "-n",
        "400",
        "-c",
        "4",
        "--stages",
        "rcpt,end-of-message",
        "--recipients",
        "1-3",
    ];
    report(&stub.address(), &args);
    // By message: the connection and the stage of each of its requests.
    let mut messages: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (connection, request) in stub.requests_by_connection() {
        let request = String::from_utf8(request).unwrap();
        let value = |name: &str| {
            let mut lines = request.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap()
                .to_owned()
        };
        let asked = (connection, value("protocol_state"));
        messages.entry(value("instance")).or_default().push(asked);
    }
    assert!(messages.len() > 100);
    let mut whole = 0;
    for asked in messages.values() {
        assert!(
            asked
                .iter()
                .all(|(connection, _)| *connection == asked[0].0),
            "{asked:?}"
        );
        let stages: Vec<&str> = asked.iter().map(|(_, stage)| stage.as_str()).collect();
        let (last, before) = stages.split_last().unwrap();
        assert!(before.iter().all(|stage| *stage == "RCPT"), "{stages:?}");
        whole += usize::from(*last == "END-OF-MESSAGE");
    }
    // The last message of each client may have ended with the measurement.
    assert!(whole + 4 >= messages.len());
}

#[test]
fn captured_requests_are_sent_as_they_are() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("captured");
    let captured =
        "request=smtpd_access_policy\nsender=a\n\nrequest=smtpd_access_policy\nsender=b\n\n";
    fs::write(&file, captured).unwrap();
    let stub = Stub::tcp(Script::default());
    let report = report(
        &stub.address(),
        &["-n", "4", "-c", "1", "--requests", file.to_str().unwrap()],
    );
    let sent = stub.requests().concat();
    assert_eq!(String::from_utf8(sent).unwrap(), captured.repeat(2));
    assert_eq!(report["requests_from"], file.to_str().unwrap());
}

pub(crate) fn bench(address: &str, args: &[&str]) -> Ended {
    run(policy_client(), &[&["bench", address], args].concat())
}

/// Of a measurement in which all was answered.
pub(crate) fn report(address: &str, args: &[&str]) -> Value {
    let ended = bench(address, &[args, &["--json"]].concat());
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{args:?}: {ended:?}"
    );
    object(&ended)
}

pub(crate) fn object(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

pub(crate) fn number(report: &Value, place: &str) -> usize {
    let number = report.pointer(place).and_then(Value::as_u64);
    number.unwrap_or_else(|| panic!("no number at {place}: {report}")) as usize
}

fn latency(report: &Value, name: &str) -> f64 {
    report["latency_us"][name].as_f64().unwrap()
}

fn by_the_last_digit_of_the_sender(request: &[u8]) -> Vec<u8> {
    let sender = request
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"sender=user"));
    let digits = sender.unwrap().split(|byte| *byte == b'@').next().unwrap();
    let action = match digits.last().unwrap() {
        b'0' => "REJECT",
        b'1' => "DEFER nobody",
        b'2' => "DEFER greylisted",
        _ => "DUNNO",
    };
    format!("action={action}\n\n").into_bytes()
}
