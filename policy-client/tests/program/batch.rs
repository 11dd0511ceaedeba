//! `policy-client batch`: files of requests, and what is said of their answers.

use std::{fs, io::Write, process::Command};

use policy_testing::{
    process::{Daemon, Ended, Process, policy_client, run},
    stub::{Reply, Script, Stub},
};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    daemons::{mtpolicyd, policyd_weight},
    query::closed_port,
};

#[test]
fn answers_are_compared_with_the_expected_ones() {
    let stub = Stub::tcp(Script::default());
    let text = "a name\n  > sender=a@example.net\n  < dunno\n  > sender=b@example.net\n  <^ DEFER\n\
                another name\n  > sender=c@example.net\n  <~ ^(OK|REJECT)\n";
    stub.set_sequence(["DUNNO", "DEFER later", "HOLD"].map(Script::answer));
    let ended = batch(text, &[&stub.address()]);
    assert_eq!(
        ended.out,
        format!(
            "\na name\n  ok      3     sender=a@example.net\n  ok      5     sender=b@example.net\n\
             \nanother name\n  FAILED  8     sender=c@example.net\n                \
             answered HOLD, expected a match of ^(OK|REJECT)\n\
             \ninet:{}: 2 passed, 1 failed, 0 warnings, 0 skipped\n",
            stub.address()
        )
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let requests = stub.requests_by_connection();
    let connections: Vec<_> = requests.iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [1, 1, 2], "a connection per test");
}

#[test]
fn no_answer_can_be_the_expected_one_and_the_next_request_gets_a_new_connection() {
    let stub = Stub::tcp(Script::default());
    let text = "a\n  > x=1\n  < -\n  > x=2\n  < DUNNO\n  > x=3\n  < DUNNO\n";
    let closing = || Script::reply(Reply::CloseUnanswered);
    stub.set_sequence([closing(), Script::answer("DUNNO"), closing()]);
    let ended = batch(text, &[&stub.address(), "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let objects: Vec<Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| {
        objects
            .iter()
            .map(|object| object[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("outcome"), ["passed", "passed", "failed"]);
    assert_eq!(of("expected"), ["no answer", "DUNNO", "DUNNO"]);
    assert_eq!(of("action"), [Value::Null, "DUNNO".into(), Value::Null]);
    assert_eq!(of("line"), [3, 5, 7]);
    assert_eq!(of("test"), ["a", "a", "a"]);
    let reason = objects[2]["reason"].as_str().unwrap();
    assert!(reason.starts_with("no answer ("), "{reason}");
}

#[test]
fn where_nobody_listens_no_answer_is_not_the_expected_one() {
    let text = "a\n  > x=1\n  < -\n";
    let ended = batch(text, &[&closed_port()]);
    let said = "cannot connect: Connection refused (os error 111), expected no answer\n";
    assert!(ended.out.contains(said), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

/// Postfix would ask again over another connection.
#[test]
fn a_request_whose_connection_is_closed_is_not_asked_again() {
    let stub = Stub::tcp(Script::default());
    let closing = Script::reply(Reply::CloseUnanswered);
    stub.set_sequence([Script::answer("OK"), closing, Script::answer("HOLD")]);
    let text = "a\n  > x=1\n  < OK\n  > x=2\n  < -\n";
    let ended = batch(text, &[&stub.address()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(stub.requests().len(), 2);
}

#[test]
fn what_comes_besides_an_answer_is_a_warning_and_spoils_no_other_answer() {
    let stub = Stub::tcp(Script::bytes("action=OK\n\naction=REJECT\n\n"));
    let text = "a\n  > x=1\n  < OK\n  > x=2\n  < OK\n  > x=3\n  < HOLD\n";
    let ended = batch(text, &[&stub.address()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let excess = "excess: the server sent 'action=REJECT\\n\\n' after its answer, ";
    let expected = format!("  warning 3     x=1\n                {excess}");
    assert!(ended.out.contains(&expected), "{ended:?}");
    let failed = format!("answered OK, expected HOLD\n                {excess}");
    assert!(ended.out.contains(&failed), "{ended:?}");
    assert!(
        ended
            .out
            .contains(": 0 passed, 1 failed, 2 warnings, 0 skipped\n")
    );
    let text = "a\n  > x=1\n  < OK\n";
    let ended = batch(text, &[&stub.address(), "--json"]);
    let object: Value = serde_json::from_str(&ended.out).unwrap();
    let of = |name: &str| object[name].as_str().unwrap().to_owned();
    assert_eq!((ended.code, of("outcome")), (Some(0), "warned".to_owned()));
    assert_eq!(of("excess"), "action=REJECT\n\n");
}

#[test]
fn an_unusual_answer_is_a_warning_and_one_that_is_not_utf_8_is_none() {
    let stub = Stub::tcp(Script::default());
    stub.set_sequence([
        Script::bytes("x=y\naction=OK\n\n"),
        Script::bytes(&b"action=OK \xe9\n\n"[..]),
    ]);
    let text = "a\n  > x=1\n  < OK\n  > x=2\n  < -\n";
    let ended = batch(text, &[&stub.address(), "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let objects = ended.out.lines().map(serde_json::from_str::<Value>);
    let objects: Vec<_> = objects.map(Result::unwrap).collect();
    let outcomes: Vec<_> = objects.iter().map(|object| &object["outcome"]).collect();
    assert_eq!(outcomes, ["warned", "passed"]);
    let unusual = "a line besides its action, which Postfix skips: 'x=y'";
    assert_eq!(objects[0]["unusual"], unusual);
    assert_eq!(objects[0]["reason"], format!("unusual: {unusual}"));
    assert_eq!(objects[1]["action"], Value::Null);
}

#[test]
fn programs_read_tap_and_junit() {
    let stub = Stub::tcp(Script::answer("REJECT <no> & \"never\""));
    let text = "a\n  > x=1\n  <^ REJECT\n  > x=2\n  < OK\n";
    let tap = batch(text, &[&stub.address(), "--format", "tap"]);
    assert_eq!(
        tap.out,
        "TAP version 13\n1..2\nok 1 - 3 a: x=1\nnot ok 2 - 5 a: x=2\n\
         # answered REJECT <no> & \\\"never\\\", expected OK\n"
    );
    let junit = batch(text, &[&stub.address(), "--format", "junit"]);
    let failure = "<failure message=\"answered REJECT &lt;no&gt; &amp; \\&quot;never\\&quot;, expected OK\"></failure>";
    assert!(junit.out.contains(failure), "{}", junit.out);
    assert_eq!((tap.code, junit.code), (Some(1), Some(1)));
}

#[test]
fn a_file_may_name_its_server_and_come_from_standard_input() {
    let stub = Stub::tcp(Script::answer("OK"));
    let text = format!("@endpoint {}\na\n  > x=1\n  < OK\n", stub.address());
    let (reader, mut writer) = std::io::pipe().unwrap();
    let process = Process::of(
        Command::new(policy_client())
            .args(["batch", "-"])
            .stdin(reader),
    );
    writer.write_all(text.as_bytes()).unwrap();
    drop(writer);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(batch(&text, &[]).code, Some(0));
}

#[test]
fn a_fault_of_the_file_is_told_with_its_place_and_nothing_is_asked() {
    let stub = Stub::tcp(Script::default());
    let address = stub.address();
    for (text, args, code, said) in [
        (
            "a\n  > x=1\n  < OK\n  > y\n",
            &[address.as_str()][..],
            65,
            ":4: 'y' is not name=value",
        ),
        (
            "",
            &[&address],
            65,
            ".batch: there is no request: lines '  > NAME=VALUE' and '  < ACTION' under the name of a test",
        ),
        ("a test\n", &[&address], 65, ".batch: there is no request: "),
        (
            "a\n  > x=1\n  <~ (\n",
            &[&address],
            65,
            ".batch:3: '(': unclosed group",
        ),
        (
            "a\n  > x=1\n  < OK\n",
            &[],
            64,
            " has no @endpoint: name one after it",
        ),
        ("a\n  > x=1\n  < OK\n", &["nonsense"], 64, "'nonsense'"),
    ] {
        let ended = batch(text, args);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(code), ""),
            "{ended:?}"
        );
        assert!(
            ended.err.contains(said) && ended.err.lines().count() == 1,
            "{ended:?}"
        );
    }
    for (bytes, said) in [
        (&b"a\n  > x=1\n  < \xff\n"[..], ":3: not UTF-8\n"),
        (&vec![b'#'; 17 << 20], ": longer than 16777216 bytes\n"),
    ] {
        let ended = batch(bytes, &[&address]);
        assert_eq!(ended.code, Some(65), "{ended:?}");
        assert!(ended.err.ends_with(said), "{ended:?}");
    }
    let missing = run(policy_client(), &["batch", "/nonexistent/file", &address]);
    assert_eq!(missing.code, Some(66), "{missing:?}");
    assert_eq!(stub.connections(), 0);
}

#[test]
fn mtpolicyd_answers_as_its_file_says() {
    let plugins = "<Plugin a>\nmodule = Condition\nkey = sender\nmatch = a@example.net\naction = reject A\n</Plugin>\n\
                   <Plugin b>\nmodule = Condition\nkey = sender\nmatch = b@example.net\naction = reject B\n</Plugin>\n";
    let server = mtpolicyd(plugins);
    assert_all_pass("mtpolicyd.batch", &server.address);
}

#[test]
fn policyd_weight_answers_as_its_file_says() {
    assert_all_pass("policyd-weight.batch", &policyd_weight().address);
}

#[test]
fn hapolicy_answers_as_its_file_says() {
    let stub = Stub::tcp(Script::reply(Reply::Choose(|request| {
        let text = String::from_utf8_lossy(request);
        if text.contains("\nsender=down@") {
            Reply::CloseUnanswered
        } else {
            Reply::Bytes(b"action=REJECT from the service\n\n".to_vec())
        }
    })));
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&["-d", "DEFER_IF_PERMIT 4.3.0 no service", "-s", &service]);
    assert_all_pass("hapolicy.batch", daemon.endpoint());
}

fn assert_all_pass(file: &str, endpoint: &str) {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let ended = run(policy_client(), &["batch", &path, endpoint]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains(" 0 failed, 0 warnings, 0 skipped\n"),
        "{}",
        ended.out
    );
}

#[test]
fn a_fault_on_standard_input_is_told_as_one_of_standard_input() {
    for (text, said) in [
        (
            "a\n  > y\n",
            "policy-client: standard input:2: 'y' is not name=value\n",
        ),
        ("", "policy-client: standard input: there is no request: "),
        (
            "a\n  > x=1\n  < OK\n",
            "policy-client: standard input has no @endpoint",
        ),
    ] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let process = Process::of(
            Command::new(policy_client())
                .args(["batch", "-"])
                .stdin(reader),
        );
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        let ended = process.end();
        assert!(ended.err.starts_with(said), "{text:?}: {ended:?}");
    }
}

#[test]
fn one_warning_is_not_called_warnings() {
    let stub = Stub::tcp(Script::bytes("action=DUNNO\n\n\n"));
    let ended = batch("a\n  > x=1\n  < DUNNO\n", &[&stub.address()]);
    let said = ": 0 passed, 0 failed, 1 warning, 0 skipped\n";
    assert!(ended.out.ends_with(said), "{ended:?}");
}

#[test]
fn ctrl_c_tells_what_was_asked_so_far() {
    let stub = Stub::tcp(Script::default());
    stub.set_sequence([Script::answer("DUNNO"), Script::reply(Reply::Hang)]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("requests.batch");
    fs::write(&file, "a\n  > x=1\n  < DUNNO\n  > x=2\n  < DUNNO\n").unwrap();
    let args = ["batch", file.to_str().unwrap(), &stub.address()];
    let process = Process::start(policy_client(), &args);
    assert!(stub.wait_requests(2));
    process.signal(Signal::INT);
    let ended = process.end();
    assert!(ended.out.contains(": 1 passed, 0 failed"), "{ended:?}");
    let said = "policy-client: stopped after 1 of 2 requests\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), said));
}

/// Runs it on a file of this text.
fn batch(text: impl AsRef<[u8]>, args: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("requests.batch");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    run(policy_client(), &[&["batch", file], args].concat())
}
