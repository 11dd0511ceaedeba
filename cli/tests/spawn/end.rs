//! The end of the client.

use std::{
    fs,
    io::{Write, pipe},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use policy_testing::{
    eventually,
    process::{Client, Process, request},
    stub::{Reply, Script, Stub},
};

use crate::{on_pipes, read_all, service, spawn, tcp, tcp_sockets, unix_sockets};

#[test]
fn the_end_of_input_during_an_attempt_ends_no_attempt() {
    let stub = Stub::tcp(Script::answer("REJECT no").held());
    let args = ["-s", &service(&stub)];
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let process = spawn(&args, far);
        let mut client = Client::of(near);
        let before = stub.requests().len();
        client.send(&[request(&[]), request(&[]), b"request=unfinished\n".to_vec()].concat());
        client.shut_down_writing();
        assert!(stub.wait_requests(before + 1));
        stub.release();
        assert_eq!(client.action(), "REJECT no");
        assert_eq!(client.action(), "REJECT no", "it was received whole");
        assert!(client.is_ended());
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn the_end_of_a_pipe_during_an_attempt_ends_no_attempt() {
    let stub = Stub::tcp(Script::answer("REJECT no").held());
    let (input, output) = (pipe().unwrap(), pipe().unwrap());
    let (process, mut requests, mut replies) = on_pipes(&["-s", &service(&stub)], input, output);
    requests
        .write_all(&[request(&[]), request(&[])].concat())
        .unwrap();
    drop(requests);
    assert!(stub.wait_requests(1));
    stub.release();
    assert_eq!(
        read_all(&mut replies),
        "action=REJECT no\n\naction=REJECT no\n\n"
    );
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_unix_socket_that_is_closed_during_an_attempt_ends_the_process_at_once() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let (near, far) = UnixStream::pair().unwrap();
    let process = spawn(&["-s", &hung(&stub)], far);
    let client = Client::of(near);
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_tcp_connection_that_is_reset_during_an_attempt_ends_the_process_at_once() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let (near, far) = tcp();
    let process = spawn(&["-s", &hung(&stub)], far);
    let client = Client::of(near);
    client.send(&request(&[]));
    assert!(stub.wait_requests(1));
    client.reset();
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_unix_socket_that_is_closed_some_time_after_its_one_side_ends_the_process_at_once() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let (near, far) = UnixStream::pair().unwrap();
    let process = spawn(&["-s", &hung(&stub)], far);
    let client = Client::of(near);
    client.send(&request(&[]));
    client.shut_down_writing();
    assert!(stub.wait_requests(1));
    wait_asleep(&process);
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_tcp_connection_that_is_reset_some_time_after_its_end_ends_the_process_at_once() {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let (near, far) = tcp();
    let process = spawn(&["-s", &hung(&stub)], far);
    let client = Client::of(near);
    client.send(&request(&[]));
    client.shut_down_writing();
    assert!(stub.wait_requests(1));
    wait_asleep(&process);
    client.reset();
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_socket_that_is_closed_behind_many_requests_ends_the_process_at_once() {
    closed_behind(500);
}

/// More than is read ahead: the end itself is not read.
#[test]
fn a_socket_that_is_closed_behind_very_many_requests_ends_the_process_at_once() {
    closed_behind(4_000);
}

fn closed_behind(requests: usize) {
    let stub = Stub::tcp(Script::reply(Reply::Hang));
    let (near, far) = UnixStream::pair().unwrap();
    let process = spawn(&["-s", &hung(&stub)], far);
    let client = Client::of(near);
    client.send(&request(&[]).repeat(requests));
    assert!(stub.wait_requests(1));
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_client_that_reads_no_more_is_an_end_like_any_other() {
    let stub = Stub::tcp(Script::default().held());
    let (input, output) = (pipe().unwrap(), pipe().unwrap());
    let (mut process, mut requests, replies) = on_pipes(&["-s", &service(&stub)], input, output);
    requests.write_all(&request(&[])).unwrap();
    assert!(stub.wait_requests(1));
    drop(replies);
    stub.release();
    // A process that is just starting beside this one may hold that end for a moment longer.
    while requests.write_all(&request(&[])).is_ok() && process.is_running() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn an_unfinished_request_at_the_end_is_dropped() {
    let stub = Stub::tcp(Script::default());
    for unfinished in [
        "request=smtpd_access_policy\n",
        "request=smtpd_acc",
        "rubbish",
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let process = spawn(&["-s", &service(&stub)], far);
        let mut client = Client::of(near);
        client.send(unfinished.as_bytes());
        client.shut_down_writing();
        assert!(client.is_ended(), "{unfinished}");
        assert_eq!(process.end().code, Some(0), "{unfinished}");
    }
    assert_eq!(stub.connections(), 0);
}

#[test]
fn an_oversized_request_gets_no_reply_and_ends_the_process_with_0() {
    let stub = Stub::tcp(Script::default());
    let oversized = [
        vec![b'x'; 17 * 1024],
        b"name=value and more\n".repeat(7 * 1024),
        b"rubbish\n".repeat(64 * 1024),
    ];
    for oversized in oversized {
        for (near, far) in [tcp_sockets(), unix_sockets()] {
            let process = spawn(&["-s", &service(&stub)], far);
            let mut client = Client::of(near);
            assert_eq!(client.ask_about("1"), "dunno");
            client.try_send(&oversized);
            client.try_send(b"\n\n");
            assert!(client.is_ended());
            assert_eq!(process.end().code, Some(0));
        }
        let (input, output) = (pipe().unwrap(), pipe().unwrap());
        let args = ["-L", "-s", &service(&stub)];
        let (process, mut requests, mut replies) = on_pipes(&args, input, output);
        // It may end before it has read all.
        _ = requests.write_all(&oversized);
        let said = read_all(&mut replies);
        // A word for each of the first lines of garbage, and one for the others.
        let warnings = said.matches("[LOG warning]: ").count();
        assert!(warnings == 1 && said.lines().count() <= 10, "{said}");
        assert_eq!(process.end().code, Some(0));
    }
}

/// With a time-out beyond all patience.
fn hung(stub: &Stub) -> String {
    format!("a={}:::3600", stub.address())
}

/// Waits until the process has nothing more to do; nothing goes wrong where this is mistaken.
fn wait_asleep(process: &Process) {
    let mut asleep = 0;
    let found = eventually(|| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        asleep = if stat.contains(") S ") { asleep + 1 } else { 0 };
        asleep == 10
    });
    assert!(found);
}
