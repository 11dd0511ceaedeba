//! Successors that do not come so far, and what is not theirs: `--handover`.

use std::{
    fs,
    net::TcpListener,
    os::{
        fd::AsFd,
        unix::{
            fs::{MetadataExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    process::Command,
    thread,
    time::Duration,
};

use policy_testing::{
    World,
    handover::{Predecessor, accept, call, receive, send, take_sockets},
    process::{self, Client, Manager, Process, hapolicy, is_root},
};
use rustix::{
    net::sockopt::socket_peercred,
    process::{Pid, Signal, kill_process},
};

#[test]
fn a_successor_that_cannot_start_its_threads_has_taken_nothing_over() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    let mut client = first.connect();
    let script = format!("{SHORT_OF_ROOM}; exec \"$@\"");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, "sh", hapolicy(), "-L"]);
    command.args(world.words(&["--listen", "inet:127.0.0.1:0", "--workers", "64"]));
    let ended = Process::of(&mut command).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert_eq!(process::lines(&ended.out, "listening"), [""; 0]);
    assert_eq!(client.ask_about("x"), "dunno");
    assert_eq!(first.connect().ask_about("x"), "dunno");
    first.stop();
}

/// Whatever the reason for which it does not start.
#[test]
fn a_successor_that_does_not_start_leaves_the_sockets_their_files_and_their_modes() {
    let world = World::new();
    let listen = |options: &str| format!("{},{options}", world.unix());
    let first = world.start(&[&listen("mode=0600")], &[]);
    let mut client = first.connect();
    let looks = |name| {
        let found = fs::symlink_metadata(world.path(name)).unwrap();
        (found.ino(), found.mode(), found.uid(), found.gid())
    };
    let all = || ["policy.sock", "handover.sock"].map(looks);
    let before = all();
    let other = listen("mode=0666,owner=nobody");
    let cases: [(&str, &[&str]); 4] = [
        (
            "a socket that cannot be bound",
            &["--listen", &other, "--listen", "unix:/nonexistent/x.sock"],
        ),
        ("an owner that it may not name", &["--listen", &other]),
        (
            "a user that it may not become",
            &["--listen", &listen("mode=0666"), "--user", "nobody"],
        ),
        (
            "no room for its threads",
            &["--listen", &other, "--workers", "64"],
        ),
    ];
    for (why, words) in cases {
        // Root without its rights is the first one's friend all the same.
        let rights = match is_root() && why.contains("may not") {
            true => "setpriv --bounding-set=-all --inh-caps=-all",
            false => "",
        };
        let limit = match why.contains("threads") {
            true => SHORT_OF_ROOM,
            false => ":",
        };
        let script = format!("{limit}; exec {rights} \"$@\"");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script, "sh", hapolicy()])
            .args(world.words(words));
        let ended = Process::of(&mut command).end();
        assert_eq!(ended.code, Some(71), "{why}: {ended:?}");
        assert_eq!(all(), before, "{why}");
        assert_eq!(client.ask_about("x"), "dunno", "{why}");
        assert_eq!(first.connect().ask_about("x"), "dunno", "{why}");
    }
    let second = world.start(&[&listen("mode=0666")], &[]);
    first.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    let found = fs::symlink_metadata(world.path("policy.sock")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o666);
    second.stop();
}

/// The one that ends last: the daemon to which they were passed, after a successor that did not start, or a
/// successor to which that one has handed them over.
#[test]
fn sockets_of_a_service_manager_listen_on_when_all_have_ended() {
    let world = World::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(world.path("policy.sock")).unwrap();
    let listen = [format!("inet:{}", tcp.local_addr().unwrap()), world.unix()];
    let listen = listen.each_ref().map(String::as_str);
    let manager = Manager::of(vec![tcp.into(), unix.into()]);
    let words = world.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    let first = manager.start(&words);
    let args = [
        "--listen",
        listen[0],
        "--listen",
        "unix:/nonexistent/x.sock",
    ];
    assert_eq!(world.try_start(&args).end().code, Some(71));
    assert!(first.process.out.wait_lines(1, "no handover: "));
    first.stop();
    let mut waiting = listen.map(Client::connect);

    let first = manager.start(&words);
    assert!(
        waiting
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    let second = world.start(&listen, &["--workers", "3"]);
    first.ended_well();
    let third = world.start(&listen, &[]);
    second.ended_well();
    third.stop();
    let mut waiting = listen.map(Client::connect);

    let last = manager.start(&words);
    assert!(
        waiting
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    last.stop();
}

#[test]
fn a_daemon_that_ends_while_its_successor_starts_leaves_it_the_sockets() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0", &world.unix()], &[]);
    let endpoints = first.endpoints.clone();
    // One that takes its time to start.
    let (successor, sockets) = take_sockets(&world.path("handover.sock"));
    first.stop();
    let mut waiting: Vec<Client> = endpoints.iter().map(|to| Client::connect(to)).collect();

    // Now as the daemon before a real one, which has gone when that is ready.
    drop(successor);
    let Predecessor { calls } = Predecessor::at(&world.path("handover.sock"));
    let second = thread::scope(|scope| {
        scope.spawn(|| {
            let connection = accept(&calls);
            assert_eq!(receive(&connection).unwrap().0, b"sockets");
            stop_for_a_moment(socket_peercred(&connection).unwrap().pid);
            for (text, socket) in &sockets {
                let socket = match text.ends_with(b" handover") {
                    true => &calls,
                    false => socket,
                };
                send(&connection, text, &[socket.as_fd()]).unwrap();
            }
            send(&connection, b"all", &[]).unwrap();
        });
        world.start(&["inet:127.0.0.1:0", &world.unix()], &[])
    });
    drop((calls, sockets));
    assert_eq!(second.endpoints, endpoints);
    assert!(
        waiting
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    let third = world.start(&["inet:127.0.0.1:0", &world.unix()], &[]);
    second.ended_well();
    assert!(
        waiting
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    third.stop();
    assert!(!world.path("policy.sock").exists(), "it was its own");
}

/// From a daemon that ends, say, while the next one but one is starting.
#[test]
fn connections_are_taken_also_while_a_successor_starts_and_a_second_one_is_not() {
    let world = World::new();
    let path = world.path("handover.sock");
    let before = Predecessor::at(&path).hand_over(Vec::new());
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    let before = before.join().unwrap().expect("it is ready");

    let (slow, _) = take_sockets(&path);
    let (near, far) = UnixStream::pair().unwrap();
    send(&before, b"clients", &[near.as_fd()]).unwrap();
    drop(near);
    assert_eq!(Client::of(far).ask_about("x"), "dunno");

    let other = call(&path, b"sockets");
    assert!(receive(&other).unwrap().0.is_empty(), "it is told at once");
    let out = &first.process.out;
    assert!(out.wait_lines(1, "no handover: another process"));
    drop(slow);
    assert!(out.wait_lines(2, "no handover: "));
    let second = world.start(&["inet:127.0.0.1:0"], &[]);
    first.ended_well();
    // The one before that has requests under way is the next one's predecessor now.
    let (near, far) = UnixStream::pair().unwrap();
    send(&before, b"clients", &[near.as_fd()]).unwrap();
    drop(near);
    assert_eq!(Client::of(far).ask_about("x"), "dunno");
    second.stop();
}

#[test]
fn a_predecessor_that_has_not_waited_goes_on_and_the_successor_ends() {
    let world = World::new();
    let before = Predecessor::at(&world.path("handover.sock"));
    let late = thread::spawn(move || {
        let connection = accept(&before.calls);
        assert_eq!(receive(&connection).unwrap().0, b"sockets");
        for text in [&b"all"[..], b"late"] {
            send(&connection, text, &[]).unwrap();
        }
        receive(&connection).unwrap().0
    });
    let ended = world.try_start(&["--listen", "inet:127.0.0.1:0"]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(ended.err.contains("has not waited"), "{ended:?}");
    assert_eq!(late.join().unwrap(), b"hold");
}

/// As a debugger does, or an operator with a terminal.
fn stop_for_a_moment(process: Pid) {
    for signal in [Signal::STOP, Signal::CONT].repeat(3) {
        kill_process(process, signal).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
}

/// Addresses for the stacks of four threads, with plenty left for everything else.
const SHORT_OF_ROOM: &str = "export RUST_MIN_STACK=1073741824; ulimit -v 5000000";
