//! Lines about the daemon itself, and the line of each request.

use std::{path::Path, process::Command, process::Stdio};

use policy_testing::{
    eventually,
    process::{self, Daemon, Process, Signal, hapolicy, request},
    stub::{Reply, Script, Stub},
};

use crate::service;

#[test]
fn start_and_end_are_told_with_the_settings_and_the_services() {
    let stub = Stub::tcp(Script::default());
    let services = [
        service("a", &stub, ""),
        service("b", &stub, ""),
        service("c", &stub, ""),
    ];
    let args = [
        "-s",
        &services[0],
        "-s",
        &services[1],
        "-s",
        &services[2],
        "--mode=b=drain",
        "--mode=c=disabled",
        "--workers=3",
        "--deadline=1.5m",
        "-d",
        "DEFER it's",
    ];
    let daemon = Daemon::start(&["inet:127.0.0.1:0", "inet:127.0.0.1:0"], &args);
    let endpoints = daemon.endpoints.clone();
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    let log = daemon.stop().out;
    let (start, end) = log.split_once("[LOG info]: stopping\n").expect(&log);
    let version = env!("CARGO_PKG_VERSION");
    let address = stub.address();
    for (part, answered, verb) in [(start, 0, "listening"), (end, 1, "listened")] {
        for line in [
            format!("service 'a' ({address}): enabled, up, answered: {answered}, failed: 0"),
            format!("service 'b' ({address}): drain, up, answered: 0, failed: 0"),
            format!("service 'c' ({address}): disabled, up, answered: 0, failed: 0"),
            "default action: 'DEFER it's', given for want of an answer: 0".to_owned(),
            "deadline: 90s".to_owned(),
            format!("{verb} on {}", endpoints[0]),
            format!("{verb} on {}", endpoints[1]),
        ] {
            let line = format!("[LOG info]: {line}\n");
            assert_eq!(part.matches(&line).count(), 1, "{line}: {part}");
        }
        assert_eq!(part.matches("[LOG info]: user: ").count(), 1, "{part}");
    }
    let first = format!("[LOG info]: hapolicy {version} starts as a daemon, workers: 3\n");
    assert_eq!(start.matches(&first).count(), 1, "{start}");
    let last = format!("[LOG info]: stopped: hapolicy {version}, daemon\n");
    assert!(end.ends_with(&last), "{end}");
}

#[test]
fn a_line_per_request_tells_all_about_it() {
    let (bad, good) = (
        Stub::tcp(Script::bytes("no\n")),
        Stub::tcp(Script::answer("REJECT x=\"1\"")),
    );
    let services = [service("bad", &bad, ":1:2"), service("good", &good, ":2:3")];
    let daemon = Daemon::tcp(&["-l", "-s", &services[0], "-s", &services[1]]);
    let mut client = daemon.connect();
    let attributes = [
        ("protocol_state", "RCPT"),
        ("queue_id", "4ABCxyz"),
        ("instance", "12.34.0"),
        ("client_name", "c.example"),
        ("client_address", "192.0.2.1"),
        ("helo_name", "h"),
        (
            "sender",
            "a\" service=evil default=yes client_address=203.0.113.8 \"@s.test",
        ),
        ("recipient", "SRS0=ab=r@example"),
    ];
    client.ask(&request(&attributes));
    client.ask(b"request=junk\nsender=s\n\n");
    let log = daemon.stop().out;
    let expected = [
        concat!(
            r"[LOG info]: queue_id=4ABCxyz instance=12.34.0 protocol_state=RCPT client_name=c.example ",
            r"client_address=192.0.2.1 helo_name=h ",
            r#"sender="a\x22 service\x3devil default\x3dyes client_address\x3d203.0.113.8 \x22@s.test" "#,
            r"recipient=SRS0=ab=r@example service=good attempts=2 failed=bad ms=* ",
            r#"action="REJECT x\x3d\x221\x22" default=no"#,
        ),
        concat!(
            r#"[LOG info]: queue_id="" instance="" protocol_state="" client_name="" client_address="" "#,
            r#"helo_name="" sender=s recipient="" service="" attempts=0 failed="" ms=* action=dunno default=yes"#,
        ),
    ];
    let lines = process::lines(&log, "queue_id=");
    let lines: Vec<String> = lines.iter().map(|line| without_millis(line)).collect();
    assert_eq!(lines, expected);
    assert_eq!(process::lines(&log, "prio: "), [""; 0]);
}

#[test]
fn a_connection_that_is_closed_has_a_line_too() {
    let daemon = Daemon::tcp(&["-l", "-s", "a=127.0.0.1:1", "-d", "close"]);
    let mut client = daemon.connect();
    client.send(&request(&[]));
    assert!(client.is_ended());
    let log = daemon.stop().out;
    let line = process::lines(&log, "queue_id=").remove(0);
    let end = r#" service="" attempts=1 failed=a ms=* action="" default=close"#;
    assert!(without_millis(&line).ends_with(end), "{line}");
}

#[test]
fn a_failed_attempt_is_a_line_of_its_own_with_verbose() {
    let stub = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let daemon = Daemon::tcp(&["-v", "-s", &service("a", &stub, "")]);
    let mut client = daemon.connect();
    for _ in 0..3 {
        client.ask_about("x");
    }
    let log = daemon.stop().out;
    let told = format!(
        "[LOG info]: Attempt at 'a' ({}) failed after ",
        stub.address()
    );
    assert_eq!(process::lines(&log, &told).len(), 3, "{log}");
}

#[test]
fn a_share_of_the_messages_has_lines_and_all_requests_of_a_message_have_them_or_none() {
    let stub = Stub::tcp(Script::default());
    let service = service("a", &stub, "");
    for format in ["--log-format=key-value", "--log-format=classic"] {
        let daemon = Daemon::tcp(&["-l", format, "--log-sample=50%", "-s", &service]);
        let mut client = daemon.connect();
        for message in 0..40 {
            for recipient in ["r1", "r2"] {
                client.ask(&request(&[
                    ("instance", &format!("m{message}")),
                    ("sender", &format!("s{message}@x.test")),
                    ("recipient", recipient),
                ]));
            }
        }
        let log = daemon.stop().out;
        let about = |message: u32| process::lines(&log, &format!("s{message}@x.test")).len();
        let lines: Vec<usize> = (0..40).map(about).collect();
        assert!(
            lines.iter().all(|lines| [0, 2].contains(lines)),
            "{lines:?}"
        );
        let written: usize = lines.iter().sum();
        assert!((20..=60).contains(&written), "{written}");
        let left_out = format!(
            "[LOG info]: lines left out by --log-sample: {}\n",
            80 - written
        );
        assert!(log.contains(&left_out), "{left_out}{log}");
    }
}

#[test]
fn a_warning_is_written_whatever_the_share_of_lines_is() {
    let daemon = Daemon::tcp(&["-l", "--log-sample=0%", "-s", "a=127.0.0.1:1"]);
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "queue_id="), [""; 0]);
    for warning in [
        "Could not open socket to 'a'",
        " is down: ",
        "no service answered: ",
    ] {
        assert_eq!(process::lines(&log, warning).len(), 1, "{warning}: {log}");
    }
}

#[test]
fn categories_choose_what_is_logged_besides() {
    let stub = Stub::tcp(Script::default());
    let service = service("a", &stub, "");
    let all = [
        ("requests", "Attribute: instance=x"),
        ("requests", "Action: dunno"),
        ("services", "Answer from 'a' -> 'dunno'"),
        ("connections", "Opening socket to 'a'"),
        ("connections", "Connection established to 'a'"),
        ("-l", "queue_id="),
    ];
    for (option, categories) in [
        ("-v", &["requests", "services", "connections", "-l"][..]),
        ("-v=requests", &["requests"]),
        ("--verbose=services", &["services"]),
        (
            "-lv=connections,services",
            &["connections", "services", "-l"],
        ),
    ] {
        let daemon = Daemon::tcp(&[option, "-s", &service]);
        daemon.connect().ask_about("x");
        let log = daemon.stop().out;
        for (category, line) in all {
            let is_there = !process::lines(&log, line).is_empty();
            assert_eq!(
                is_there,
                categories.contains(&category),
                "{option}: {line}: {log}"
            );
        }
    }
}

#[test]
fn a_daemon_without_a_log_says_so_once_on_standard_error() {
    let stub = Stub::tcp(Script::default());
    let service = service("a", &stub, "");
    let start = |args: &[&str]| {
        let mut command = Command::new(hapolicy());
        if Path::new("/dev/log").exists() {
            if !process::is_root() {
                return None;
            }
            command = Command::new("unshare");
            let script = "mount --bind /dev/null /dev/log && exec \"$@\"";
            command.args(["-m", "sh", "-c", script, "sh", hapolicy()]);
        }
        Some(Process::of(
            command
                .args(args)
                .args(["-s", &service])
                .stdin(Stdio::null()),
        ))
    };
    let listen = ["--listen", "inet:127.0.0.1:0"];
    let Some(daemon) = start(&listen) else { return };
    assert!(daemon.err.wait_lines(1, "hapolicy: no log: /dev/log: "));
    // It may have come no further than that.
    assert!(eventually(|| has_caught(daemon.id())));
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(
        (ended.code, ended.err.lines().count()),
        (Some(0), 1),
        "{ended:?}"
    );

    let Some(daemon) = start(&[&["-L"], &listen[..]].concat()) else {
        return;
    };
    assert!(daemon.out.wait_lines(1, "listening on "));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().err, "", "it has one");

    let Some(drop_in) = start(&[]) else { return };
    let ended = drop_in.end();
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "the protocol's socket"
    );
}

/// Whether a process catches SIGTERM.
fn has_caught(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = process::lines(&status, "SigCgt:").remove(0);
    let mask = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    mask & (1 << (15 - 1)) != 0
}

/// A line with how long it took in the place of that.
fn without_millis(line: &str) -> String {
    let (before, rest) = line.split_once(" ms=").expect(line);
    let (millis, rest) = rest.split_once(' ').expect(line);
    assert!(
        millis.parse::<f64>().is_ok_and(|millis| millis >= 0.0),
        "{line}"
    );
    format!("{before} ms=* {rest}")
}

/// A line for each of some ten thousand would keep the other clients waiting.
#[test]
fn of_a_request_with_many_attributes_the_first_ones_are_told_and_the_others_counted() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ""), "-v"]);
    let more: String = (0..10_000).map(|number| format!("a{number}=\n")).collect();
    let wire = format!("request=smtpd_access_policy\n{more}\n");
    assert_eq!(daemon.connect().ask(wire.as_bytes()), "dunno");
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "Attribute: ").len(), 256, "{log}");
    assert_eq!(process::lines(&log, "and 9745 more attributes").len(), 1);
}
