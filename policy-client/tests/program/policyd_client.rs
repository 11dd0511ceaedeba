//! `policyd-client`: mtpolicyd's command, beside the original where that is installed.

use std::{
    fs,
    io::{Write, pipe},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};

use policy_testing::{
    process::{Ended, Process, Signal, policy_client},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use crate::query::{closed_port, echo};

#[test]
fn it_asks_each_block_of_standard_input_and_prints_the_actions() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    for (options, connections) in [(&[][..], 2), (&["-k"], 1), (&["--keepalive"], 1)] {
        let before = stub.connections();
        let address = stub.address();
        let args = [&["-h", &address], options].concat();
        let ended = ours(&args, "sender=1\n\nsender=2\nclient_address=192.0.2.1\n\n");
        let got = (ended.code, ended.out.as_str(), ended.err.as_str());
        assert_eq!(got, (Some(0), "1\n2\n", ""));
        assert_eq!(stub.connections() - before, connections, "{options:?}");
    }
    let request = String::from_utf8_lossy(&stub.requests()[1]).into_owned();
    let lines: Vec<_> = request.lines().collect();
    assert_eq!(lines[0], "request=smtpd_access_policy");
    assert!(lines[1].starts_with("instance=") && lines[1].len() > 10);
    assert_eq!(lines[2..], ["sender=2", "client_address=192.0.2.1", ""]);
}

#[test]
fn it_takes_a_unix_socket_and_shows_the_conversation() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("policy.sock");
    let stub = Stub::unix(&path, Script::answer("REJECT no"));
    let ended = ours(
        &["-v", "-s", path.to_str().unwrap()],
        "instance=i\nsender=a\n\n",
    );
    assert_eq!((ended.code, &*ended.out), (Some(0), "REJECT no\n"));
    assert_eq!(
        ended.err,
        ">> request=smtpd_access_policy\n>> instance=i\n>> sender=a\n>>\n<< action=REJECT no\n<<\n"
    );
    drop(stub);
}

#[test]
fn it_says_what_is_wrong() {
    for (args, input, status, said) in [
        (
            &["-h", "CLOSED"][..],
            "a=1\n\n",
            69,
            "policyd-client: inet:127.0.0.1:",
        ),
        (&["-h", "CLOSED"], "a=1\n\n", 69, ": cannot connect: "),
        (
            &["-h", "CLOSED"],
            "\n",
            65,
            "standard input: there is no request",
        ),
        (
            &["-h", "CLOSED"],
            "a=1",
            65,
            "standard input: line 1: the last request has no empty line after it",
        ),
        (&["-h", "127.0.0.1:0"], "", 64, "port '0'"),
        (&["--timeout", "0s"], "", 64, "no time"),
        (
            &["-h", "CLOSED"],
            "rubbish\n\n",
            65,
            "standard input: line 1: no '='",
        ),
        (&["-h", "nonsense"], "", 64, "nonsense"),
        (&["-x"], "", 64, "-x"),
    ] {
        let closed = closed_port();
        let args: Vec<_> = args
            .iter()
            .map(|arg| {
                if *arg == "CLOSED" {
                    closed.as_str()
                } else {
                    *arg
                }
            })
            .collect();
        let ended = ours(&args, input);
        assert_eq!(
            (ended.code, &*ended.out),
            (Some(status), ""),
            "{args:?}: {ended:?}"
        );
        assert!(ended.err.starts_with("policyd-client: "), "{ended:?}");
        assert!(ended.err.contains(said), "{args:?}: {ended:?}");
    }
    for option in ["-?", "--help", "--usage"] {
        let ended = ours(&[option], "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("--socket_path"), "{ended:?}");
    }
}

/// As the original: what was answered is printed already.
#[test]
fn ctrl_c_ends_it_by_the_signal_once_the_actions_so_far_are_printed() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let (reader, mut writer) = pipe().unwrap();
    let path = our_path();
    // A shell has what it starts in the background ignore it, tests as well.
    let mut command = Command::new("env");
    let arguments = ["--default-signal=INT", &path, "-h", &stub.address()];
    let process = Process::of(command.args(arguments).stdin(reader));
    writer.write_all(b"sender=1\n\n").unwrap();
    assert!(process.out.wait_lines(1, "1"));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!((ended.code, &*ended.out, &*ended.err), (None, "1\n", ""));
}

/// The original ends each run with an error, since it takes the end of its input for a request that is cut off.
/// With `-k` it waits for the end of a connection that the server keeps, and so does not end at all.
#[test]
fn it_sends_and_prints_what_the_original_does() {
    if !Path::new(ORIGINAL).exists() {
        println!("{ORIGINAL} is not there: the Debian package mtpolicyd has it");
        return;
    }
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let address = stub.address();
    for options in [&[][..], &["-v"], &["--verbose"]] {
        let [ours, original] = [our_path(), ORIGINAL.to_owned()].map(|program| {
            let (requests, connections) = (stub.requests().len(), stub.connections());
            let args = [&["--host", &address], options].concat();
            let ended = run_with_input(&program, &args, "sender=1\n\nsender=2\nsize=3\n\n");
            let requests: Vec<_> = stub.requests().split_off(requests);
            let requests: Vec<_> = requests.iter().map(|request| sorted(request)).collect();
            let said: Vec<_> = ended.err.lines().map(without_instance).collect();
            let said: Vec<_> = said
                .into_iter()
                .filter(|line| line.starts_with(['>', '<']))
                .collect();
            let mut said: Vec<_> = said.iter().map(|line| line.trim_end().to_owned()).collect();
            // A hash of Perl has no order.
            said.sort();
            (ended.out, requests, said, stub.connections() - connections)
        });
        assert_eq!(ours, original, "{options:?}");
    }
}

/// The attributes, and that the instance is one.
fn sorted(request: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(request);
    let mut lines: Vec<_> = text.lines().map(without_instance).collect();
    lines.sort();
    lines
}

fn without_instance(line: &str) -> String {
    match line.split_once("instance=") {
        Some((before, value)) if !value.is_empty() => format!("{before}instance=VALUE"),
        _ => line.to_owned(),
    }
}

/// Our program under that name, in a directory that is left to the system.
fn our_path() -> String {
    let dir = TempDir::new().unwrap().keep();
    let path = dir.join("policyd-client");
    symlink(policy_client(), &path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ours(args: &[&str], input: &str) -> Ended {
    let path = our_path();
    let ended = run_with_input(&path, args, input);
    fs::remove_dir_all(Path::new(&path).parent().unwrap()).unwrap();
    ended
}

fn run_with_input(program: &str, args: &[&str], input: &str) -> Ended {
    let (reader, mut writer) = pipe().unwrap();
    let process = Process::of(Command::new(program).args(args).stdin(reader));
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    process.end()
}

/// Of the Debian package mtpolicyd.
const ORIGINAL: &str = "/usr/bin/policyd-client";
