//! `policy-client conform`: what is found in broken servers, what in sound ones, and how it is printed.

mod daemons;
mod faulty;

use std::{collections::BTreeMap, process::Command, thread};

use policy_testing::{
    port::Port,
    process::{Ended, Process, Signal, policy_client, run},
    stub::{Reply, Script, Stub},
};
use serde_json::Value;

use faulty::{Fault, start};

#[test]
fn a_sound_server_passes_every_case() {
    let server = start(Fault::None);
    let (ended, outcomes) = outcomes(&server, &["--strict"]);
    let others: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != "passed")
        .collect();
    assert!(others.is_empty(), "{others:?} {}", ended.out);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(outcomes.len() >= 60, "{}", outcomes.len());
}

#[test]
fn each_fault_is_found_by_the_case_that_is_about_it() {
    thread::scope(|scope| {
        for (fault, number) in FAULTS {
            scope.spawn(move || {
                let args = ["--strict", "--only", number, "--silence", "1s"];
                let (ended, outcomes) = outcomes(&start(fault), &args);
                let outcome = outcomes.get(number).map(String::as_str);
                assert_eq!(outcome, Some("failed"), "{fault:?}: {ended:?}");
                assert_eq!(ended.code, Some(1), "{fault:?}");
            });
        }
    });
}

#[test]
fn a_fault_does_not_spoil_the_cases_about_other_things() {
    let refuses = [
        (Fault::Answers(b"action=DUNNO\r\n\r\n"), "3", &["3.1"][..]),
        (Fault::Answers(b"action=450\n\n"), "3", &["3.9"]),
        (Fault::SendsABanner, "1", &["1.2"]),
        (Fault::RefusesUtf8, "4", &["4.17", "4.18", "4.19"]),
        (Fault::NeedsASize, "5", &["5.10"]),
    ];
    for (fault, group, expected) in refuses {
        let (ended, outcomes) = outcomes(&start(fault), &["--strict", "--only", group]);
        let failed = outcomes.iter().filter(|(_, outcome)| *outcome == "failed");
        let failed: Vec<_> = failed.map(|(number, _)| number.as_str()).collect();
        assert_eq!(failed, expected, "{fault:?}: {ended:?}");
    }
}

/// What is not there any more fails once, and is to blame for nothing else.
#[test]
fn a_server_that_ends_fails_one_case_and_the_others_are_skipped() {
    let server = start(Fault::EndsOnRubbish);
    let (ended, outcomes) = outcomes(&server, &["--only", "7,8", "--jobs", "1"]);
    assert_eq!(ended.code, Some(1));
    let of = |outcome: &str| outcomes.values().filter(|got| *got == outcome).count();
    assert_eq!(of("failed"), 1, "{ended:?}");
    assert!(of("skipped") >= 10, "{ended:?}");
    assert!(
        ended
            .out
            .contains("nobody listens any more: --jobs 1 shows"),
        "{ended:?}"
    );
}

#[test]
fn should_is_a_warning_and_a_failure_with_strict() {
    let server = start(Fault::RefusesUnknownNames);
    for (more, outcome, code) in [(&[][..], "warned", 0), (&["--strict"], "failed", 1)] {
        let (ended, outcomes) = outcomes(&server, &[&["--only", "4.1,4.4"], more].concat());
        assert_eq!(ended.code, Some(code));
        let expected = [("4.1", outcome), ("4.4", "passed")];
        let expected = expected.map(|(number, outcome)| (number.to_owned(), outcome.to_owned()));
        assert_eq!(outcomes, BTreeMap::from(expected));
    }
}

#[test]
fn nothing_to_run_is_a_wrong_command_line() {
    let ended = conform(&["127.0.0.1:1", "--only", "1.1", "--except", "1"]);
    let said = "policy-client: --except leaves no case of --only\n";
    assert_eq!((ended.code, &*ended.out, &*ended.err), (Some(64), "", said));
}

#[test]
fn the_list_is_objects_for_programs() {
    let ended = conform(&["--list", "--json", "--only", "1.1,4.4"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let objects = ended.out.lines().map(serde_json::from_str);
    let objects: Vec<Value> = objects.map(Result::unwrap).collect();
    let numbers: Vec<_> = objects.iter().map(|object| &object["number"]).collect();
    assert_eq!(numbers, ["1.1", "4.4"]);
    for object in &objects {
        let names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        let all = ["number", "level", "title", "document", "sentence"];
        assert_eq!(names, all, "{object}");
    }
}

#[test]
fn a_signal_before_the_first_case_says_that_none_has_run() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let args = ["conform", &stub.address(), "--only", "1.1"];
    let process = Process::start(policy_client(), &args);
    assert!(stub.wait_requests(1));
    process.signal(Signal::INT);
    let ended = process.end();
    let said = "policy-client: stopped after 0 of 1 cases\n";
    assert_eq!((ended.code, &*ended.err), (Some(1), said), "{ended:?}");
}

#[test]
fn results_are_printed_for_people_with_the_sentence_behind_a_failure() {
    let server = start(Fault::ClosesAfterAnAnswer);
    let ended = conform(&[&server, "--only", "1.1,1.3,4.35", "--silence", "100ms"]);
    assert_eq!(
        ended.out,
        format!(
            "\n1 The connection\n  ok      1.1   MUST answers a request\n  \
             FAILED  1.3   MUST keeps the connection after an answer\n                \
             closed the connection after its answer\n                \
             SMTPD_POLICY_README: Unless there was an error, the server must not close the connection, so that \
             the same connection can be used multiple times.\n\
             \n4 Attributes\n  ok      4.35  MUST takes a context of the administrator's\n\
             \ninet:{server}: 2 passed, 1 failed, 0 warnings, 0 skipped\n"
        )
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
}

#[test]
fn results_are_printed_for_programs_that_read_tap_or_junit() {
    let server = start(Fault::RefusesUnknownNames);
    let only = ["--only", "4.1,4.4,1.1"];
    let tap = conform(&[&[server.as_str(), "--format", "tap"], &only[..]].concat());
    assert_eq!(
        tap.out,
        "TAP version 13\n1..3\nok 1 - 1.1 MUST answers a request\n\
         not ok 2 - 4.1 SHOULD ignores an attribute that it does not know # TODO closed the connection without an answer\n\
         ok 3 - 4.4 MUST takes attributes in the reverse order\n"
    );
    let junit = conform(
        &[
            &[server.as_str(), "--format", "junit", "--strict"],
            &only[..],
        ]
        .concat(),
    );
    assert_eq!(junit.code, Some(1));
    for part in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"policy-client\" tests=\"3\" failures=\"1\" ",
        "<testcase classname=\"1 The connection\" name=\"1.1 MUST answers a request\" time=\"0.",
        "<failure message=\"closed the connection without an answer\">SMTPD_POLICY_README: The policy server should",
        "/>\n</testsuite>\n</testsuites>\n",
    ] {
        assert!(junit.out.contains(part), "{part}: {}", junit.out);
    }
}

#[test]
fn an_object_has_all_that_is_known_of_a_case() {
    let server = start(Fault::ClosesAfterAnAnswer);
    let ended = conform(&[&server, "--json", "--only", "1.3", "--silence", "100ms"]);
    let mut object: Value = serde_json::from_str(&ended.out).unwrap();
    let elapsed = object
        .as_object_mut()
        .unwrap()
        .remove("elapsed_ms")
        .unwrap();
    assert!(elapsed.is_number());
    let expected = serde_json::json!({
        "number": "1.3",
        "level": "MUST",
        "title": "keeps the connection after an answer",
        "document": "SMTPD_POLICY_README",
        "sentence": "Unless there was an error, the server must not close the connection, so that the same \
                     connection can be used multiple times.",
        "outcome": "failed",
        "reason": "closed the connection after its answer",
    });
    assert_eq!(object, expected);
}

#[test]
fn the_list_of_cases_needs_no_server() {
    let ended = conform(&["--list"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let begin = "1 The connection\n  1.1   MUST   answers a request\n               \
                 SMTPD_POLICY_README: The client sends a request and the server sends a response.\n";
    assert!(ended.out.starts_with(begin), "{}", ended.out);
    let group = conform(&["--list", "--only", "8"]);
    assert!(
        group.out.starts_with("8 Many clients\n  8.1 "),
        "{}",
        group.out
    );
    assert!(ended.out.ends_with(group.out.trim_start()), "{}", group.out);
    let others = conform(&["--list", "--except", "2,3,4,5,6,7,8,1.2"]);
    assert!(
        others.out.contains("  1.1 ") && others.out.contains("  1.3 "),
        "{}",
        others.out
    );
    assert!(
        !others.out.contains("  1.2 ") && !others.out.contains("2 Requests"),
        "{}",
        others.out
    );
}

#[test]
fn without_a_server_nothing_is_tested() {
    let port = Port::any();
    let closed = format!("127.0.0.1:{}", port.number());
    let silent = Stub::tcp(Script::reply(Reply::Hang));
    let silent = silent.address();
    for (args, code) in [
        (&[closed.as_str()][..], 69),
        (&["unix:/nonexistent/policy.sock"], 69),
        (&[&silent, "--timeout", "200ms"], 69),
        (&["nonsense"], 64),
        (&[], 64),
        (&[&closed, "--only", "9"], 64),
        (&[&closed, "--only", "1.99"], 64),
        (&[&closed, "--except", "1.99"], 64),
        (&[&closed, "--format", "tap", "--json"], 64),
        (&[&closed, "--jobs", "0"], 64),
    ] {
        let ended = conform(args);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(code), ""),
            "{args:?}: {ended:?}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{args:?}: {ended:?}");
    }
}

#[test]
fn what_is_known_is_printed_when_it_is_stopped() {
    let server = start(Fault::None);
    let args = ["conform", &server, "--only", "1.1,1.7", "--idle", "1m"];
    let process = Process::start(policy_client(), &args);
    assert!(process.out.wait_lines(1, "1.1"), "{}", process.out.text());
    process.signal(Signal::INT);
    let ended = process.end();
    assert!(
        ended
            .out
            .ends_with(": 1 passed, 0 failed, 0 warnings, 0 skipped\n"),
        "{ended:?}"
    );
    assert_eq!(ended.err, "policy-client: stopped after 1 of 2 cases\n");
    assert_eq!(ended.code, Some(1));
}

#[test]
fn a_reader_that_has_gone_ends_it_in_silence() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(policy_client());
    let ended = command
        .args(["conform", "--list"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

/// Runs it with short times; how each case ended.
fn outcomes(endpoint: &str, args: &[&str]) -> (Ended, BTreeMap<String, String>) {
    let mut short = vec![
        "--json",
        "--timeout",
        "5s",
        "--idle",
        "400ms",
        "--connections",
        "60",
    ];
    if !args.contains(&"--silence") {
        short.extend(["--silence", "100ms"]);
    }
    let ended = conform(&[&[endpoint], &*short, args].concat());
    let object = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        (text("number"), text("outcome"))
    };
    let outcomes = ended.out.lines().map(object).collect();
    (ended, outcomes)
}

fn conform(args: &[&str]) -> Ended {
    run(policy_client(), &[&["conform"], args].concat())
}

/// Faults, and the case that is about each.
const FAULTS: [(Fault, &str); 42] = [
    (Fault::SendsABanner, "1.2"),
    (Fault::ClosesAfterAnAnswer, "1.3"),
    (Fault::Answers(b"action=DUNNO\n\n\n"), "1.4"),
    (Fault::ClosesAfterAnAnswer, "1.5"),
    (Fault::ClosesIdleConnections, "1.7"),
    (Fault::ClosesIdleConnections, "1.8"),
    (Fault::AnswersAPart, "1.9"),
    (Fault::KeepsEndedConnections, "1.10"),
    (Fault::LeavesWithItsClient, "1.11"),
    (Fault::TakesAReadForARequest, "2.1"),
    (Fault::AnswersAfterAnyLine, "2.8"),
    (Fault::LosesASecondRequest, "2.9"),
    (Fault::Answers(b"action=DUNNO\n\naction=DUNNO\n\n"), "2.12"),
    (Fault::Answers(b"action=DUNNO\r\n\r\n"), "3.1"),
    (Fault::Answers(b"action=DUNNO\nreason=none\n\n"), "3.2"),
    (Fault::Answers(b"Action=DUNNO\n\n"), "3.3"),
    (Fault::Answers(b"action=\n\n"), "3.4"),
    (Fault::Answers(b"action=REJECT \0\n\n"), "3.5"),
    (Fault::Answers(b"action=REJECT \xe9t\xe9\n\n"), "3.6"),
    (Fault::Answers(b"action=ACCEPT\n\n"), "3.7"),
    (Fault::Answers(b"action=greylisting\n\n"), "3.8"),
    (Fault::PrependsAtTheEnd, "3.11"),
    (Fault::NamesTheSender, "3.15"),
    (Fault::RefusesUnknownNames, "4.1"),
    (Fault::NeedsAnOrder, "4.4"),
    (Fault::RefusesDuplicates, "4.6"),
    (Fault::RefusesEmptyValues, "4.8"),
    (Fault::RefusesEqualsSigns, "4.12"),
    (Fault::RefusesWhatIsNotUtf8, "4.17"),
    (Fault::RefusesUtf8, "4.19"),
    (Fault::RefusesLongLines, "4.26"),
    (Fault::NeedsASize, "5.10"),
    (Fault::KnowsRecipientsOnly, "5.1"),
    (Fault::SharesABuffer, "6.7"),
    (Fault::RemembersAttributes, "6.9"),
    (Fault::TakesAnything, "7.1"),
    (Fault::HasNoLimit, "7.5"),
    (Fault::EndsOnRubbish, "7.6"),
    (Fault::ServesOneAtATime, "8.1"),
    (Fault::ServesOneAtATime, "8.2"),
    (Fault::ServesOneAtATime, "8.3"),
    (Fault::HasPlaces(5), "8.5"),
];
