//! Requests on standard input: how they are asked, and what is said of faults.

use std::{
    fs::File,
    io::{Write, pipe},
    process::Command,
};

use policy_testing::{
    process::{self, Ended, Process, policy_client},
    stub::{Reply, Script, Stub},
};

use crate::{assert_answered, query::echo};

#[test]
fn query_reads_requests_from_standard_input_and_prints_a_line_for_each() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let input =
        "sender=1\n\nrequest=smtpd_access_policy\nsender=2\ninstance=x\n\n\nsender=3\r\n\r\n";
    let ended = query_with_input(&[&stub.address(), "-"], input);
    assert_answered(&ended, "1\n2\n3\n");
    let requests: Vec<String> = stub
        .requests()
        .iter()
        .map(|request| String::from_utf8_lossy(request).into_owned())
        .collect();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.contains("request=smtpd_access_policy\n"))
    );
    assert_eq!(process::lines(&requests[1], "instance="), ["instance=x"]);
    assert!(requests[2].ends_with("sender=3\n\n"), "{}", requests[2]);
}

#[test]
fn standard_input_without_a_request_is_no_success() {
    let stub = Stub::tcp(Script::default());
    for input in ["", "\n\n"] {
        let ended = query_with_input(&[&stub.address(), "-"], input);
        let said = "policy-client: standard input: there is no request\n";
        assert_eq!((ended.code, &*ended.err), (Some(65), said), "{ended:?}");
    }
    assert_eq!(stub.connections(), 0);
}

#[test]
fn standard_input_that_cannot_be_read_ends_with_66() {
    let stub = Stub::tcp(Script::default());
    let address = stub.address();
    for args in [
        &["query", &address, "-"][..],
        &["query", &address, "--template", "-"],
        &["replay", "-", &address],
        &["batch", "-", &address],
        &["bench", &address, "--requests", "-"],
        &["serve", "inet:127.0.0.1:0", "--script", "-"],
    ] {
        let directory = File::open("/tmp").unwrap();
        let ended = Process::of(Command::new(policy_client()).args(args).stdin(directory)).end();
        let said = "policy-client: standard input: Is a directory (os error 21)\n";
        assert_eq!((ended.code, &*ended.err), (Some(66), said), "{args:?}");
    }
    assert_eq!(stub.connections(), 0);
}

#[test]
fn a_fault_on_standard_input_is_told_with_its_line() {
    let stub = Stub::tcp(Script::default());
    for (input, said) in [
        ("rubbish\n\n", "line 1: no '='"),
        ("a=1\nb=2\n\n\n# a comment\n", "line 5: no '='"),
        ("a=1\n\nb=\0\n\n", "line 3: a NUL byte"),
        ("a=1\nb=x\ry\n", "line 2: a carriage return"),
        (
            "a=1\nb=2",
            "line 2: the last request has no empty line after it",
        ),
        (
            "a=1\nb=2\n",
            "line 2: the last request has no empty line after it",
        ),
    ] {
        let ended = query_with_input(&[&stub.address(), "-"], input);
        let said = format!("policy-client: standard input: {said}\n");
        assert_eq!((ended.code, ended.err), (Some(65), said), "{input:?}");
    }
}

#[test]
fn query_does_not_send_what_is_no_request() {
    let stub = Stub::tcp(Script::default());
    for input in [
        "rubbish\n\n",
        "sender=1\n\nrubbish\n\n",
        "sender=unfinished\n",
    ] {
        let ended = query_with_input(&[&stub.address(), "-"], input);
        assert_ne!(ended.code, Some(0), "{input:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{input:?}: {ended:?}");
    }
}

#[test]
fn query_asks_what_comes_before_a_fault_on_standard_input() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let input = "sender=1\n\nsender=2\n\nrubbish\n\nsender=3\n\n";
    let ended = query_with_input(&[&stub.address(), "-"], input);
    assert_eq!((ended.code, ended.out.as_str()), (Some(65), "1\n2\n"));
    assert!(ended.err.contains("standard input: "), "{ended:?}");
    assert_eq!(stub.requests().len(), 2);
}

#[test]
fn query_asks_and_prints_before_standard_input_ends() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let (reader, mut writer) = pipe().unwrap();
    let mut command = Command::new(policy_client());
    let process = Process::of(command.args(["query", &stub.address(), "-"]).stdin(reader));
    for (count, sender) in ["first", "second"].into_iter().enumerate() {
        write!(writer, "sender={sender}\n\n").unwrap();
        assert!(process.out.wait_lines(count + 1, ""), "{sender}");
        assert_eq!(stub.requests().len(), count + 1);
    }
    drop(writer);
    assert_answered(&process.end(), "first\nsecond\n");
}

#[test]
fn query_goes_on_after_a_request_that_was_not_answered() {
    let stub = Stub::tcp(Script::default());
    stub.set_sequence([
        Script::answer("1"),
        Script::bytes("x=y\n\n"),
        Script::answer("3"),
    ]);
    let ended = query_with_input(&[&stub.address(), "-"], "a=1\n\na=2\n\na=3\n\n");
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert_eq!(ended.out, "1\n3\n");
    assert!(ended.err.starts_with("no answer: "), "{ended:?}");
    assert_eq!(ended.err.matches("no answer: ").count(), 1, "{ended:?}");
}

pub(crate) fn query_with_input(args: &[&str], input: &str) -> Ended {
    let (reader, mut writer) = pipe().unwrap();
    let process = Process::of(
        Command::new(policy_client())
            .arg("query")
            .args(args)
            .stdin(reader),
    );
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    process.end()
}
