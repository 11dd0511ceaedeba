//! `policy-client check`: the line and the status that Nagios reads.

use std::path::Path;

use policy_testing::{
    port::Port,
    process::{Ended, Process, Signal, policy_client, run},
    stub::{Reply, Script, Stub},
};

#[test]
fn an_expected_answer_in_time_is_ok() {
    let stub = Stub::tcp(Script::answer("DEFER_IF_PERMIT Greylisted"));
    let ended = check(&[
        &stub.address(),
        "--expect",
        "DUNNO|DEFER_IF_PERMIT Greylisted",
        "--warning",
        "1m",
        "--critical",
        "2m",
        "sender=monitor@example.net",
        "x=1",
    ]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let line = ended
        .out
        .strip_prefix("POLICY OK - DEFER_IF_PERMIT Greylisted after ")
        .unwrap();
    let (seconds, performance) = line.split_once(" s | time=").unwrap();
    assert!(seconds.parse::<f64>().is_ok(), "{line}");
    let fields: Vec<&str> = performance.trim_end().split(';').collect();
    assert_eq!(fields[1..], ["60", "120", "0", "10"], "{line}");
    assert!(
        fields[0].strip_suffix('s').unwrap().parse::<f64>().is_ok(),
        "{line}"
    );
    assert_eq!(ended.out.lines().count(), 1);
    let request = String::from_utf8(stub.requests().remove(0)).unwrap();
    for line in [
        "protocol_state=RCPT",
        "sender=monitor@example.net",
        "mail_version=3.12.0",
        "x=1",
    ] {
        assert!(
            request.lines().any(|sent| sent == line),
            "{line}: {request}"
        );
    }
}

#[test]
fn what_is_wrong_has_its_status_and_one_line() {
    let slow = Stub::tcp(Script::answer("DUNNO"));
    let rejecting = Stub::tcp(Script::answer("REJECT a|b"));
    let silent = Stub::tcp(Script::reply(Reply::Hang));
    let closing = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let port = Port::any();
    let (slow, rejecting) = (slow.address(), rejecting.address());
    let (silent, closing) = (silent.address(), closing.address());
    let closed = format!("127.0.0.1:{}", port.number());
    for (args, code, begin) in [
        (
            &[slow.as_str(), "--warning", "0s", "--critical", "1m"][..],
            1,
            "POLICY WARNING - DUNNO after ",
        ),
        (
            &[&slow, "--warning", "0s", "--critical", "0s"],
            2,
            "POLICY CRITICAL - DUNNO after ",
        ),
        (
            &[&rejecting, "--expect", "^DUNNO"],
            2,
            "POLICY CRITICAL - unexpected answer: REJECT a\\x7cb after ",
        ),
        (
            &[&silent, "--timeout", "200ms"],
            2,
            "POLICY CRITICAL - no answer from inet:SILENT: timed out after 200ms | time=0.",
        ),
        (&[&closing], 2, "POLICY CRITICAL - no answer from "),
        (&[&closed], 2, "POLICY CRITICAL - no answer from "),
        (
            &["unix:/nonexistent/policy"],
            2,
            "POLICY CRITICAL - no answer from ",
        ),
        (&["nonsense"], 3, "POLICY UNKNOWN - nonsense: "),
        (&[], 3, "POLICY UNKNOWN - "),
        (&[&slow, "--expect", "("], 3, "POLICY UNKNOWN - "),
        (&[&slow, "--colour"], 3, "POLICY UNKNOWN - "),
        (&[&slow, "--timeout", "0s"], 3, "POLICY UNKNOWN - "),
        (&["127.0.0.1:0"], 3, "POLICY UNKNOWN - 127.0.0.1:0: port"),
        (
            &[&slow, "nonsense"],
            3,
            "POLICY UNKNOWN - 'nonsense' is not name=value",
        ),
        (
            &[&slow, "--warning", "9s"],
            3,
            "POLICY UNKNOWN - --critical is less than --warning",
        ),
    ] {
        let ended = check(args);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(code), ""),
            "{args:?}: {ended:?}"
        );
        let begin = begin.replace("SILENT", &silent);
        assert!(ended.out.starts_with(&begin), "{args:?}: {ended:?}");
        assert_eq!(ended.out.lines().count(), 1, "{args:?}: {ended:?}");
    }
}

#[test]
fn a_signal_before_the_answer_is_unknown() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    for (asked, signal) in [(1, Signal::INT), (2, Signal::TERM)] {
        let process = Process::start(policy_client(), &["check", &stub.address()]);
        assert!(stub.wait_requests(asked));
        process.signal(signal);
        let ended = process.end();
        let said = format!(
            "POLICY UNKNOWN - interrupted before inet:{} has answered\n",
            stub.address()
        );
        assert_eq!((ended.code, ended.out), (Some(3), said));
    }
}

#[test]
fn what_comes_besides_the_answer_stands_in_the_line() {
    let stub = Stub::tcp(Script::bytes("action=DUNNO\n\n|\n"));
    let ended = check(&[&stub.address(), "--warning", "1m", "--critical", "1m"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (_, rest) = ended.out.split_once("POLICY OK - DUNNO after ").unwrap();
    let (_, rest) = rest.split_once(" s, ").unwrap();
    assert!(rest.starts_with("excess '\\x7c\\n' | time=0."), "{ended:?}");
}

/// Postfix takes it, as `cli/tests/postfix/explained.rs` proves.
#[test]
fn an_unusual_answer_is_ok_and_stands_in_the_line() {
    let stub = Stub::tcp(Script::bytes("220 hello\naction=DUNNO\n\n"));
    let args = ["--expect", "^DUNNO$", "--warning", "1m", "--critical", "1m"];
    let ended = check(&[&[&*stub.address()], &args[..]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = " s, unusual: a line besides its action, which Postfix skips: '220 hello' | time=0.";
    assert!(ended.out.contains(said), "{ended:?}");
    stub.set(Script::bytes(&b"action=DUNNO \xe9\n\n"[..]));
    let ended = check(&[&[&*stub.address()], &args[..]].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let said = ": invalid answer: an action that is not UTF-8: 'action=DUNNO \\xe9' | time=0.";
    assert!(ended.out.contains(said), "{ended:?}");
}

/// As Nagios does it: macros are replaced, and the shell runs the line. NRPE has no macros.
#[test]
fn the_command_lines_of_the_page_work() {
    let stub = Stub::tcp(Script::answer("DUNNO"));
    let page = page();
    let line = |line: &'static str| {
        let marks = ["command_line", "command[check_greylisting]="];
        let found = move |mark| line.trim_start().strip_prefix(mark);
        marks.into_iter().find_map(found).map(str::trim_start)
    };
    let lines: Vec<&str> = page.lines().filter_map(line).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        let replaced = [
            ("$USER1$", directory()),
            ("/usr/local/bin", directory()),
            ("$HOSTADDRESS$", "127.0.0.1"),
            ("$ARG1$", &stub.port().to_string()),
            ("10031", &stub.port().to_string()),
            ("$ARG2$", "^DUNNO|^DEFER_IF_PERMIT Greylisted"),
        ];
        let replace = |line: String, (name, value): (&str, &str)| line.replace(name, value);
        let line = replaced.into_iter().fold(line.to_owned(), replace);
        assert_is_ok(&run("sh", &["-c", &line]));
    }
}

/// As Icinga does it: words and options with the values of variables, and no shell.
#[test]
fn the_command_object_of_the_page_works() {
    let stub = Stub::tcp(Script::answer("DUNNO"));
    let page = page();
    let object = page
        .split("object CheckCommand")
        .nth(1)
        .unwrap()
        .split("\n}\n")
        .next()
        .unwrap();
    let strings = |line: &str| -> Vec<String> {
        line.split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let mut words = Vec::new();
    for line in object.lines().map(str::trim_start) {
        if line.starts_with("command = ") || line.starts_with("\"--") {
            words.extend(strings(line));
        }
    }
    let replaced = [
        ("/usr/local/bin", directory()),
        ("$address$", "127.0.0.1"),
        ("$policy_port$", &stub.port().to_string()),
        ("$policy_expect$", "^DUNNO|^DEFER_IF_PERMIT Greylisted"),
        ("$policy_warning$", "1s"),
        ("$policy_critical$", "5s"),
    ];
    for word in &mut words {
        for (name, value) in replaced {
            *word = word.replace(name, value);
        }
    }
    assert_eq!(words.len(), 9, "{words:?}");
    assert_is_ok(&run(&words[0], &words[1..]));
}

fn assert_is_ok(ended: &Ended) {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(
        ended.out.starts_with("POLICY OK - DUNNO after "),
        "{ended:?}"
    );
}

fn page() -> &'static str {
    include_str!("../../../docs/nagios.md")
}

/// The directory of the program.
fn directory() -> &'static str {
    let directory = Path::new(policy_client()).parent();
    directory.unwrap().to_str().unwrap()
}

fn check(args: &[&str]) -> Ended {
    run(policy_client(), &[&["check"], args].concat())
}
