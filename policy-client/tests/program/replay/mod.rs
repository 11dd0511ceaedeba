//! `policy-client replay`: what it asks, when, and which answers differ.

use std::{fs, path::PathBuf, process::Command};

use policy_testing::{
    process::{Ended, Process, Signal, policy_client, run},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::{
    query::{closed_port, echo},
    terminal,
};

mod files;

#[test]
fn a_file_of_requests_is_asked_and_the_answers_are_counted_by_kind() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let file = File::of("sender=OK\n\nsender=REJECT a\n\nsender=reject b\n\nsender=450 c\n\n");
    let ended = file.replay(&[&stub.address()]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let lines: Vec<_> = ended.out.lines().collect();
    let begin = format!(
        "inet:{}: 4 answered, 0 without an answer in ",
        stub.address()
    );
    assert!(lines[0].starts_with(&begin), "{ended:?}");
    assert_eq!(lines[1..], ["  450 1, OK 1, REJECT 2"]);
    let mut requests = stub.requests();
    requests.sort();
    assert_eq!(
        requests.concat(),
        b"sender=450 c\n\nsender=OK\n\nsender=REJECT a\n\nsender=reject b\n\n"
    );
}

#[test]
fn requests_of_one_connection_stay_in_their_order_on_one_connection() {
    let stub = Stub::tcp(Script::default());
    let text: String = (0..60)
        .map(|n| {
            format!(
                "#: time=1.{n:06} connection={} action=DUNNO\nn={}\n\n",
                n % 3,
                n
            )
        })
        .collect();
    let ended = File::of(&text).replay(&[&stub.address(), "--full-speed", "--connections", "2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(stub.connections(), 2);
    for connection in 0..3 {
        let of_it = stub
            .requests_by_connection()
            .into_iter()
            .filter_map(|(over, request)| {
                let text = String::from_utf8(request).unwrap();
                let n: u32 = text.trim().strip_prefix("n=")?.parse().ok()?;
                (n % 3 == connection).then_some((over, n))
            });
        let of_it: Vec<_> = of_it.collect();
        assert_eq!(of_it.len(), 20);
        assert!(
            of_it
                .windows(2)
                .all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1)
        );
    }
}

#[test]
fn a_request_waits_for_its_time_unless_the_speed_says_otherwise() {
    let stub = Stub::tcp(Script::default());
    let file = File::of("#: time=100.5\nsize=1\n\n#: time=3700.5\nsize=2\n\n");
    for speed in [
        &["--speed", "100000"][..],
        &["--speed", "100000x"],
        &["--full-speed"],
    ] {
        let ended = file.replay(&[&[&*stub.address()], speed].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains(": 2 answered, "), "{ended:?}");
    }
    let before = stub.requests().len();
    let path = file.path();
    let mut process = Process::start(policy_client(), &["replay", &path, &stub.address()]);
    assert!(stub.wait_requests(before + 1));
    assert!(process.is_running(), "the second one is due in an hour");
    process.signal(Signal::INT);
    process.end();
    assert_eq!(stub.requests().len(), before + 1);
}

#[test]
fn a_mail_log_is_asked_recipient_by_recipient() {
    let stub = Stub::tcp(Script::default());
    let log = "\
2026-11-29T12:00:01.000000+00:00 mail postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 <b@example.org>: Recipient address rejected: Greylisted; from=<a@example.com> to=<b@example.org> proto=ESMTP helo=<foo>
2026-11-29T12:00:01.100000+00:00 mail postfix/smtpd[9]: 4F0B098E7FB: client=mail.example.com[192.0.2.1]
2026-11-29T12:00:01.200000+00:00 mail postfix/qmgr[9]: 4F0B098E7FB: from=<c@example.com>, size=1234, nrcpt=1 (queue active)
2026-11-29T12:00:01.300000+00:00 mail postfix/lmtp[9]: 4F0B098E7FB: to=<d@example.org>, relay=x, status=sent
";
    let ended = File::of(log).replay(&[&stub.address(), "--postfix", "3.7"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut requests: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| String::from_utf8_lossy(request).into_owned())
        .collect();
    requests.sort_by_key(|request| request.contains("192.0.2.1\n"));
    for (request, parts) in requests.iter().zip([
        [
            "client_address=192.0.2.9\n",
            "helo_name=foo\n",
            "sender=a@example.com\n",
            "recipient=b@example.org\n",
        ],
        [
            "client_address=192.0.2.1\n",
            "client_name=mail.example.com\n",
            "sender=c@example.com\n",
            "recipient=d@example.org\n",
        ],
    ]) {
        assert!(request.starts_with("request=smtpd_access_policy\nprotocol_state=RCPT\n"));
        assert!(parts.iter().all(|part| request.contains(part)), "{request}");
        assert!(
            !request.contains("mail_version"),
            "of Postfix 3.7: {request}"
        );
    }
    assert_eq!(requests.len(), 2);
}

#[test]
fn answers_of_two_servers_that_differ_are_grouped_by_kind() {
    let old = Stub::tcp(Script::reply(Reply::Call(echo)));
    let new = Stub::tcp(Script::reply(Reply::Call(stricter)));
    let mut text = String::new();
    for n in 0..5 {
        text += &format!("protocol_state=RCPT\nsender=OK\nrecipient=r{n}@x\n\n");
    }
    text += "sender=DUNNO\n\nsender=dunno\n\nsender=450 4.2.0 wait\n\n";
    let file = File::of(&text);
    let ended = file.replay(&[&new.address(), "--diff", &old.address()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let (_, differences) = ended.out.split_once("6 of 8 differ\n").expect(&ended.out);
    let mut groups = differences.split("\n\n");
    let first = groups.next().unwrap();
    assert!(
        first.starts_with("\n5 times REJECT here and OK there\n"),
        "{differences}"
    );
    assert_eq!(
        first.matches("    here:  REJECT no\n    there: OK").count(),
        3,
        "{first}"
    );
    assert!(first.contains("  RCPT client_address= helo_name= sender=OK recipient=r"));
    let second = groups.next().unwrap();
    assert!(
        second.starts_with("1 time 450 with another text\n"),
        "{differences}"
    );
    assert!(second.contains("here:  450 4.2.0 longer\n    there: 450 4.2.0 wait\n"));

    let args = [
        &*new.address(),
        "--diff",
        &old.address(),
        "--ignore-text",
        "--json",
    ];
    let ended = file.replay(&args);
    assert_eq!((ended.code, &*ended.err), (Some(1), ""));
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(object["diff"]["compared"], 8);
    assert_eq!(object["diff"]["differ"], 5);
    assert_eq!(
        object["diff"]["groups"][0]["kinds"],
        serde_json::json!(["REJECT", "OK"])
    );
    assert_eq!(
        object["servers"][0]["actions"],
        serde_json::json!({"450": 1, "DUNNO": 2, "REJECT": 5})
    );
    assert_eq!(object["servers"][1]["answered"], 8);
}

#[test]
fn answers_are_compared_with_those_that_were_recorded() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let file = File::of(
        "#: time=1.0 action=DUNNO\nsender=DUNNO\n\n#: time=1.0 action=OK\nsender=REJECT\n\n#: time=1.0 error=closed\nsender=OK\n\nsender=OK\n\n",
    );
    let ended = file.replay(&[&stub.address(), "--diff", "recorded"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in [
        "2 of 3 differ",
        "1 time REJECT here and OK there",
        "1 time OK here and no answer there",
    ] {
        assert!(ended.out.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_ends_it_with_69_and_is_counted() {
    let stub = Stub::tcp(Script::default());
    let closed = closed_port();
    let file = File::of("size=1\n\nsize=2\n\n");
    let ended = file.replay(&[&closed]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(
        ended.out.contains("0 answered, 2 without an answer"),
        "{ended:?}"
    );
    assert!(ended.out.contains("  no answer 2\n"), "{ended:?}");
    let ended = file.replay(&[&stub.address(), "--diff", &closed]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(
        ended.out.contains("2 times DUNNO here and no answer there"),
        "{ended:?}"
    );
}

#[test]
fn why_there_is_no_answer_and_what_came_besides_is_said() {
    let closed = closed_port();
    let newline = Stub::tcp(Script::bytes("action=DUNNO\n\n\n"));
    let file = File::of("size=1\n\nsize=2\n\n");
    let args = [&closed, "--diff", &newline.address()];
    let ended = file.replay(&args);
    for lines in [
        "  no answer 2\n  no answer 2 times: cannot connect: Connection refused (os error 111)\n",
        "  DUNNO 2\n  excess after 2 answers: '\\n'\n",
    ] {
        assert!(ended.out.contains(lines), "{lines}: {ended:?}");
    }
    let ended = file.replay(&[&args[..], &["--json"]].concat());
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let refused = "cannot connect: Connection refused (os error 111)";
    for (server, errors, excess) in [
        (0, serde_json::json!({ refused: 2 }), serde_json::json!({})),
        (1, serde_json::json!({}), serde_json::json!({ "\n": 2 })),
    ] {
        let server = &object["servers"][server];
        assert_eq!((&server["errors"], &server["excess"]), (&errors, &excess));
    }
}

#[test]
fn unusual_answers_are_answers_and_counted() {
    let stub = Stub::tcp(Script::bytes("x=y\naction=DUNNO\n\n"));
    let file = File::of("size=1\n\nsize=2\n\n");
    let ended = file.replay(&[&stub.address()]);
    let lines = "  DUNNO 2\n  unusual in 2 answers: a line besides its action, which Postfix skips: 'x=y'\n";
    assert!(ended.out.contains(lines), "{ended:?}");
    let ended = file.replay(&[&stub.address(), "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let unusual = &object["servers"][0]["unusual"];
    assert_eq!(
        unusual["a line besides its action, which Postfix skips: 'x=y'"],
        2
    );
}

/// A server may send anything.
#[test]
fn no_more_reasons_are_kept_than_can_be_read() {
    let garbage = Stub::tcp(Script::reply(Reply::Call(|request| {
        let mut garbage = request.to_vec();
        garbage.retain(|byte| *byte != b'=');
        garbage
    })));
    let text: String = (0..50).map(|n| format!("size={n}\n\n")).collect();
    let ended = File::of(&text).replay(&[&garbage.address()]);
    let lines = ended.out.lines().filter(|line| line.contains(" time"));
    assert_eq!(lines.count(), 11, "{ended:?}");
    assert!(
        ended.out.contains("  no answer 40 times: others\n"),
        "{ended:?}"
    );
}

#[test]
fn ctrl_c_prints_what_was_measured_so_far() {
    let stub = Stub::tcp(Script::default());
    let request = |time| format!("#: time={time} connection=1\nsize=1\n\n");
    let file = File::of(&[1, 1, 1000].map(request).concat());
    let path = file.path();
    let process = Process::start(policy_client(), &["replay", &path, &stub.address()]);
    // The first one was answered when the second one came.
    assert!(stub.wait_requests(2));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answered = ["1 answered, ", "2 answered, "].map(|said| ended.out.contains(said));
    assert!(
        answered.contains(&true) && ended.out.contains("(interrupted)"),
        "{ended:?}"
    );
}

#[test]
fn ctrl_c_before_an_answer_ends_with_69() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let file = File::of("size=1\n\n");
    let args = ["replay", &file.path(), &stub.address()];
    let process = Process::start(policy_client(), &args);
    assert!(stub.wait_requests(1));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.out.contains("(interrupted)"), "{ended:?}");
}

#[test]
fn a_progress_bar_is_on_a_terminal_alone() {
    let stub = Stub::tcp(Script::default());
    let file = File::of("#: time=1.0\nsize=1\n\n#: time=1.3\nsize=2\n\n");
    assert_eq!(file.replay(&[&stub.address()]).err, "");
    let (terminal, screen) = terminal::open();
    let path = file.path();
    let mut command = Command::new(policy_client());
    command
        .args(["replay", &path, &stub.address()])
        .stderr(screen);
    assert!(command.output().unwrap().status.success());
    drop(command);
    let shown = terminal::read(&terminal);
    assert!(
        shown.contains("1 asked") && shown.contains('%'),
        "{shown:?}"
    );
}

/// A file to replay.
struct File {
    directory: TempDir,
}

impl File {
    fn of(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("requests"), text).unwrap();
        Self { directory }
    }

    fn path(&self) -> String {
        let path: PathBuf = self.directory.path().join("requests");
        path.to_str().unwrap().to_owned()
    }

    fn replay(&self, args: &[&str]) -> Ended {
        run(
            policy_client(),
            &[&["replay", &*self.path()], args].concat(),
        )
    }
}

/// Rejects what another accepts.
fn stricter(request: &[u8]) -> Vec<u8> {
    let answer = String::from_utf8(echo(request)).unwrap();
    let answer = answer.replace("action=OK", "action=REJECT no");
    answer.replace(" wait", " longer").into_bytes()
}
