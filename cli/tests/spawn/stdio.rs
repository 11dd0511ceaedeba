//! Every kind of standard input and output.

use std::{
    fs,
    io::{Write, pipe},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use policy_testing::{
    process::{self, Client, Process, hapolicy, request},
    stub::{Reply, Script, Stub},
};
use socket2::Socket;

use crate::{
    on_pipes, read_all, read_reply, service, spawn, start, tcp, tcp_sockets, unix_sockets,
};

#[test]
fn one_tcp_socket_as_all_three() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let (near, far) = tcp();
    serves_as_spawn_would(&stub, near, far);
}

#[test]
fn one_end_of_a_socket_pair_as_all_three() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let (near, far) = UnixStream::pair().unwrap();
    serves_as_spawn_would(&stub, near, far);
}

/// Two requests, the end, and /dev/null over standard error in between.
fn serves_as_spawn_would(stub: &Stub, near: impl Into<Socket>, far: impl Into<OwnedFd>) {
    let process = spawn(&["-s", &service(stub)], far);
    let mut client = Client::of(near);
    assert_eq!(client.ask_about("1"), "REJECT no");
    let stderr = fs::read_link(format!("/proc/{}/fd/2", process.id())).unwrap();
    assert_eq!(stderr.to_str(), Some("/dev/null"));
    assert_eq!(client.ask_about("2"), "REJECT no");
    client.shut_down_writing();
    assert!(client.is_ended(), "not a byte more");
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn two_pipes() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let (input, output) = (pipe().unwrap(), pipe().unwrap());
    let (process, mut requests, mut replies) = on_pipes(&["-s", &service(&stub)], input, output);
    for _ in 0..3 {
        requests.write_all(&request(&[])).unwrap();
        assert_eq!(read_reply(&mut replies), "action=REJECT no\n\n");
    }
    drop(requests);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(read_all(&mut replies), "");
}

#[test]
fn a_file_as_input_and_one_as_output() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("input"), dir.path().join("output"));
    let requests: Vec<u8> = (0..20)
        .flat_map(|n| request(&[("sender", &n.to_string())]))
        .collect();
    fs::write(&input, requests).unwrap();
    let process = Process::untouched(
        Command::new(hapolicy())
            .args(["-s", &service(&stub)])
            .stdin(fs::File::open(&input).unwrap())
            .stdout(fs::File::create(&output).unwrap()),
    );
    assert_eq!(process.end().code, Some(0));
    let expected: String = (0..20).map(|n| format!("action={n}\n\n")).collect();
    assert_eq!(fs::read_to_string(&output).unwrap(), expected);
}

#[test]
fn input_from_a_socket_and_output_to_a_pipe() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let (mut replies, output) = pipe().unwrap();
        let process = start(&["-s", &service(&stub)], far, output);
        for _ in 0..2 {
            (&near).write_all(&request(&[])).unwrap();
            assert_eq!(read_reply(&mut replies), "action=REJECT no\n\n");
        }
        drop(near);
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn input_from_a_pipe_and_output_to_a_socket() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let (input, mut requests) = pipe().unwrap();
        let process = start(&["-s", &service(&stub)], input, far);
        let mut client = Client::of(near);
        for _ in 0..2 {
            requests.write_all(&request(&[])).unwrap();
            assert_eq!(client.action(), "REJECT no");
        }
        drop(requests);
        assert!(client.is_ended());
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn two_different_sockets() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let ((near_in, far_in), (near_out, far_out)) = (tcp_sockets(), unix_sockets());
    let process = start(&["-s", &service(&stub)], far_in, far_out);
    let mut client = Client::of(near_out);
    for _ in 0..2 {
        (&near_in).write_all(&request(&[])).unwrap();
        assert_eq!(client.action(), "REJECT no");
    }
    drop(near_in);
    assert!(client.is_ended());
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn nothing_as_input_is_an_end_without_a_word() {
    let stub = Stub::tcp(Script::default());
    let ended = process::run(hapolicy(), &["-s", &service(&stub)]);
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (Some(0), "", "")
    );
    assert_eq!(stub.connections(), 0);
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
