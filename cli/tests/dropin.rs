//! `hapolicy` without `--listen` on every kind of standard input and output, and what it does to them.

mod process;
mod support;

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use process::{Client, HAPOLICY, PATIENCE, Process, request};
use rustix::{
    fs::OFlags,
    io::retry_on_intr,
    net::{RecvFlags, recv},
};
use socket2::{Domain, Socket, Type};
use support::{
    eventually,
    stub::{Reply, Script, Stub},
};

// Kinds of standard input and output

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
        Command::new(HAPOLICY)
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
    let ended = process::run(HAPOLICY, &["-s", &service(&stub)]);
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (Some(0), "", "")
    );
    assert_eq!(stub.connections(), 0);
}

#[test]
fn pipes_are_left_blocking() {
    let stub = Stub::tcp(Script::default());
    let (input, output) = (pipe().unwrap(), pipe().unwrap());
    let (ours_in, ours_out) = (input.0.try_clone().unwrap(), output.1.try_clone().unwrap());
    let flags = |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).unwrap();
    let (ours_in, ours_out): (OwnedFd, OwnedFd) = (ours_in.into(), ours_out.into());
    let before = (flags(&ours_in), flags(&ours_out));
    let (process, mut requests, mut replies) = on_pipes(&["-s", &service(&stub)], input, output);
    requests.write_all(&request(&[])).unwrap();
    assert_eq!(read_reply(&mut replies), "action=dunno\n\n");
    let during = (flags(&ours_in), flags(&ours_out));
    assert_eq!(before, during);
    assert!(!(during.0 | during.1).contains(OFlags::NONBLOCK));
    drop(requests);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(before, (flags(&ours_in), flags(&ours_out)));
}

#[test]
fn files_are_left_as_they_are() {
    let stub = Stub::tcp(Script::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    fs::write(&path, request(&[])).unwrap();
    let input = fs::File::open(&path).unwrap();
    let before = rustix::fs::fcntl_getfl(&input).unwrap();
    let (mut replies, output) = pipe().unwrap();
    let process = start(&["-s", &service(&stub)], input.try_clone().unwrap(), output);
    assert_eq!(read_reply(&mut replies), "action=dunno\n\n");
    assert_eq!(process.end().code, Some(0));
    assert_eq!(rustix::fs::fcntl_getfl(&input).unwrap(), before);
}

#[test]
fn standard_error_that_is_not_the_clients_socket_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let (near, far) = UnixStream::pair().unwrap();
    let (_reader, stderr) = pipe().unwrap();
    let process = Process::untouched(
        Command::new(HAPOLICY)
            .args(["-s", &service(&stub)])
            .stdin(OwnedFd::from(far.try_clone().unwrap()))
            .stdout(OwnedFd::from(far))
            .stderr(stderr),
    );
    let mut client = Client::of(near);
    assert_eq!(client.ask_about("1"), "dunno");
    let stderr = fs::read_link(format!("/proc/{}/fd/2", process.id())).unwrap();
    assert!(stderr.to_str().unwrap().starts_with("pipe:"), "{stderr:?}");
}

// The end of the client

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
        assert!(
            said.starts_with("[LOG warning]: ") && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(process.end().code, Some(0));
    }
}

// Services

#[test]
fn each_answer_closes_the_connection_to_its_service() {
    let stub = Stub::tcp(Script::default());
    let (near, far) = UnixStream::pair().unwrap();
    let process = spawn(&["-s", &service(&stub)], far);
    let mut client = Client::of(near);
    for asked in 1..=3 {
        assert_eq!(client.ask_about("x"), "dunno");
        assert!(
            eventually(|| stub.open() == 0),
            "closed while the client stays"
        );
        assert_eq!(stub.connections(), asked);
    }
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn requests_of_one_message_are_shared_unless_affinity_is_asked_for() {
    for (args, together) in [(&[][..], false), (&["--affinity", "message"], true)] {
        let (a, b) = (Stub::tcp(Script::default()), Stub::tcp(Script::default()));
        let services = process::services(&[a.address(), b.address()]);
        let mut all: Vec<&str> = services.iter().map(String::as_str).collect();
        all.extend(args);
        let (near, far) = UnixStream::pair().unwrap();
        let _process = spawn(&all, far);
        let mut client = Client::of(near);
        for _ in 0..10 {
            client.ask_about("x");
        }
        let asked = [a.requests().len(), b.requests().len()];
        assert_eq!(asked.contains(&10), together, "{asked:?}");
        assert_eq!(asked.contains(&5), !together, "{asked:?}");
    }
}

#[test]
fn services_without_a_valid_one_answer_the_default_action() {
    for args in [
        &["-d", "DEFER none"][..],
        &["-d", "DEFER none", "-s", "invalid"],
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let _process = spawn(args, far);
        assert_eq!(Client::of(near).ask_about("x"), "DEFER none");
    }
}

#[test]
fn the_default_action_is_passed_on_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let (near, far) = UnixStream::pair().unwrap();
    let action = std::ffi::OsStr::from_bytes(b" =odd\xff ");
    let _process = Process::untouched(
        Command::new(HAPOLICY)
            .arg("-d")
            .arg(action)
            .stdin(OwnedFd::from(far.try_clone().unwrap()))
            .stdout(OwnedFd::from(far))
            .stderr(Stdio::null()),
    );
    let mut client = Client::of(near);
    client.send(&request(&[]));
    assert_eq!(
        client.reply().as_deref(),
        Some(&b"action= =odd\xff \n\n"[..])
    );
}

#[test]
fn the_deadline_bounds_what_hung_services_cost_together() {
    let stubs = [
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::reply(Reply::Hang)),
    ];
    let services = process::services(&stubs.each_ref().map(Stub::address));
    let mut args: Vec<&str> = services.iter().map(String::as_str).collect();
    args.extend(["--deadline", "500ms", "-d", "DEFER in time"]);
    let (near, far) = UnixStream::pair().unwrap();
    let _process = spawn(&args, far);
    // 20 s are less than the 30 s of a service.
    assert_eq!(Client::of(near).ask_about("x"), "DEFER in time");
}

// The log on standard output

#[test]
fn the_lines_about_a_request_come_before_its_reply_in_one_write() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    // Each write to such a socket is a message of its own.
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let (input, mut requests) = pipe().unwrap();
    let process = start(&["-L", "-v", "-s", &service(&stub)], input, far);
    for _ in 0..3 {
        requests.write_all(b"rubbish\n").unwrap();
        requests.write_all(&request(&[("sender", "s")])).unwrap();
        let message = read_message(&near);
        assert_log_and_reply(&message);
    }
    drop(requests);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(read_message(&near), "", "nothing after the last reply");
}

#[test]
fn on_a_socket_the_lines_come_in_one_write_as_well() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let process = spawn(&["-L", "-v", "-s", &service(&stub)], far);
        let client = Client::of(near);
        for _ in 0..3 {
            client.send(b"rubbish\n");
            client.send(&request(&[("sender", "s")]));
            assert_log_and_reply(&String::from_utf8(client.read_once()).unwrap());
        }
        client.shut_down_writing();
        assert_eq!(client.read_once(), b"", "nothing after the last reply");
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn garbage_without_a_request_behind_it_is_told() {
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let process = spawn(&["-L", "-s", "a=127.0.0.1:1"], far);
        let client = Client::of(near);
        client.send(b"EHLO there\n");
        client.shut_down_writing();
        let told = String::from_utf8(client.read_once()).unwrap();
        assert_eq!(
            told,
            "[LOG notice]: error: ignoring garbage \"EHLO there\"\n"
        );
        process.end();
    }
}

fn assert_log_and_reply(message: &str) {
    let log = message.strip_suffix("action=REJECT no\n\n").expect(message);
    assert!(log.lines().all(|line| line.starts_with("[LOG ")), "{log}");
    for part in [
        "[LOG notice]: error: ignoring garbage \"rubbish\"\n",
        "[LOG info]: Attribute: sender=s\n",
        "[LOG info]: Opening socket to 'a' (",
        "[LOG info]: Connection established to 'a' (",
        "[LOG info]: Answer from 'a' -> 'REJECT no'\n",
        "[LOG info]: [a] (",
        "[LOG info]: Action: REJECT no\n",
    ] {
        assert_eq!(log.matches(part).count(), 1, "{part}: {log}");
    }
}

#[test]
fn a_failed_attempt_is_told_with_its_reply_and_not_before() {
    let (bad, good) = (
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::answer("good")),
    );
    let services = [
        format!("bad={}:1:1:0.3", bad.address()),
        format!("good={}:2", good.address()),
    ];
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let (input, mut requests) = pipe().unwrap();
    let _process = start(&["-L", "-s", &services[0], "-s", &services[1]], input, far);
    requests.write_all(&request(&[])).unwrap();
    let expected = format!(
        "[LOG warning]: Timeout for 'bad' ({})\naction=good\n\n",
        bad.address()
    );
    assert_eq!(read_message(&near), expected);
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn tcp_sockets() -> (Socket, Socket) {
    let (near, far) = tcp();
    (near.into(), far.into())
}

fn unix_sockets() -> (Socket, Socket) {
    let (near, far) = UnixStream::pair().unwrap();
    (near.into(), far.into())
}

/// As spawn(8) starts it: one socket is standard input, output and error.
fn spawn(args: &[&str], socket: impl Into<OwnedFd>) -> Process {
    let socket = socket.into();
    Process::untouched(
        Command::new(HAPOLICY)
            .args(args)
            .stdin(socket.try_clone().unwrap())
            .stdout(socket.try_clone().unwrap())
            .stderr(socket),
    )
}

fn start(args: &[&str], input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Process {
    let command = &mut Command::new(HAPOLICY);
    Process::untouched(command.args(args).stdin(input.into()).stdout(output.into()))
}

fn on_pipes(
    args: &[&str],
    (input, requests): (PipeReader, PipeWriter),
    (replies, output): (PipeReader, PipeWriter),
) -> (Process, PipeWriter, PipeReader) {
    (start(args, input, output), requests, replies)
}

fn read_reply(replies: &mut PipeReader) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        let mut byte = [0];
        let count = replies.read(&mut byte).unwrap();
        assert_eq!(count, 1, "an end after {reply:?}");
        reply.push(byte[0]);
    }
    String::from_utf8(reply).unwrap()
}

fn read_all(replies: &mut PipeReader) -> String {
    let mut all = String::new();
    replies.read_to_string(&mut all).unwrap();
    all
}

fn read_message(socket: &Socket) -> String {
    let mut bytes = vec![0; 65536];
    let flags = RecvFlags::empty();
    let (count, _) = retry_on_intr(|| recv(socket, &mut bytes[..], flags)).unwrap();
    bytes.truncate(count);
    String::from_utf8(bytes).unwrap()
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
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

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
