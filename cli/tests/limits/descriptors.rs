//! The limit of descriptors, and a daemon that has no more of them.

use std::{
    fs,
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    process::{self, Client, Daemon, Process, hapolicy, request},
    stub::{Script, Stub},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::{service, unix};

#[test]
fn the_limit_of_descriptors_is_named_where_it_is_what_leaves_no_room() {
    for (asked, start) in [
        (
            &[][..],
            "[LOG notice]: the limit of 64 descriptors leaves room for ",
        ),
        (
            &["--max-clients", "500"],
            "[LOG warning]: warning: --max-clients 500: the limit of 64 descriptors leaves room for ",
        ),
    ] {
        let stub = Stub::tcp(Script::default().held());
        let mut command = Command::new("prlimit");
        command.args(["--nofile=64", hapolicy(), "-L", "--workers", "1"]);
        command.args(["--listen", "inet:127.0.0.1:0", "-s", &service(&stub)]);
        let daemon = Daemon::of(command.args(asked).stdin(Stdio::null()), 1);
        let log = daemon.process.out.text();
        let line = log.lines().find_map(|line| line.strip_prefix(start));
        let room = line.expect(&log).strip_suffix(" clients").expect(&log);
        let room: usize = room.parse().unwrap();
        // With requests under way nobody has to leave.
        let asks = |_| {
            let client = daemon.connect();
            client.try_send(&request(&[]));
            client
        };
        let mut clients: Vec<Client> = (0..room).map(asks).collect();
        let refused = format!(
            "closing a connection from 127.0.0.1: the limit of 64 descriptors leaves room for {room} clients, and \
             none is idle that could leave for it"
        );
        // One that has not been read yet is idle, and leaves for the next.
        let told = eventually(|| {
            clients.push(asks(0));
            !daemon.process.out.lines(&refused).is_empty()
        });
        assert!(told, "{}", daemon.process.out.text());
        drop(clients);
        stub.release();
        let log = daemon.stop().out;
        assert!(!log.contains("(--max-clients)"), "nobody has set it: {log}");
    }
}

#[test]
fn the_limit_of_descriptors_is_raised_as_far_as_the_system_lets_it() {
    let stub = Stub::tcp(Script::default());
    let daemon = format!(
        "ulimit -Sn 64; exec {} -L --listen inet:127.0.0.1:0 -s {}",
        hapolicy(),
        service(&stub)
    );
    let process = Process::start("/bin/sh", &["-c", &daemon]);
    assert!(process.out.wait_lines(1, "listening on "));
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Nofile);
    assert!(current.is_some_and(|current| current > 64), "of this test");
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let limits = process::lines(&limits, "Max open files").pop().unwrap();
    let limits: Vec<&str> = limits.split_whitespace().collect();
    let most = maximum.unwrap_or(1 << 20).min(1 << 20).to_string();
    assert_eq!(limits[3], most, "{limits:?}");
}

#[test]
fn descriptors_for_services_are_kept_free_of_clients() {
    let stub = Stub::tcp(Script::default().held());
    let args = "--workers 1 -d none";
    let process = with_descriptors(64, &format!("-s {} {args}", service(&stub)));
    let endpoint = process.out.lines("listening on ").pop().unwrap();
    let endpoint = endpoint.split(' ').next_back().unwrap();
    // As many as will be kept, and each with a request under way before the next one comes.
    let mut clients = Vec::new();
    for _ in 0..60 {
        let client = Client::connect(endpoint);
        client.try_send(&request(&[("instance", "x")]));
        eventually(|| client.is_readable() || stub.requests().len() > clients.len());
        clients.push(client);
    }
    assert!(process.out.wait_lines(
        1,
        "closing a connection from 127.0.0.1: the limit of 64 descriptors leaves room for "
    ));
    assert!(eventually(|| stub.requests().len() >= 15));
    stub.release();
    let replies: Vec<Vec<u8>> = clients
        .into_iter()
        .filter_map(|mut client| client.reply())
        .collect();
    assert!((15..60).contains(&replies.len()), "{}", replies.len());
    for reply in replies {
        assert_eq!(String::from_utf8_lossy(&reply), "action=dunno\n\n");
    }
    let log = process.out.text();
    assert!(!log.contains("Too many open files"), "{log}");
}

#[test]
fn more_clients_than_there_can_be_descriptors_for_is_a_warning() {
    let stub = Stub::tcp(Script::default());
    let args = format!("-s {} --workers 1 --max-clients 1000", service(&stub));
    // The daemon's own are 25. Half of the others are kept for the service, or as many as it may have; and an eighth of
    // the rest for clients on their way out.
    for (services, room) in [("", 34), (" --max-connections 10", 57)] {
        let process = with_descriptors(100, &(args.clone() + services));
        let told = "[LOG warning]: warning: --max-clients 1000: the limit of 100 descriptors leaves room for ";
        let told = format!("{told}{room} clients");
        assert_eq!(process.out.lines(&told).len(), 1, "{}", process.out.text());
    }
}

#[test]
fn running_out_of_descriptors_is_told_once_and_costs_nobody_an_answer() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    let mut first = daemon.connect();
    assert_eq!(first.ask_about("x"), "dunno");
    // The limit is below the next descriptor, as if others had taken them all.
    let pid = Pid::from_raw(i32::try_from(daemon.process.id()).unwrap());
    let before = prlimit(
        pid,
        Resource::Nofile,
        rustix::process::getrlimit(Resource::Nofile),
    )
    .unwrap();
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    prlimit(pid, Resource::Nofile, none).unwrap();
    let mut clients: Vec<Client> = (0..40).map(|_| daemon.connect()).collect();
    assert!(daemon.process.out.wait_lines(1, "cannot accept"));
    for _ in 0..100 {
        assert_eq!(first.ask_about("x"), "dunno", "what is open is served on");
    }
    prlimit(pid, Resource::Nofile, before).unwrap();
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno", "each is served in the end");
    }
    let log = daemon.stop().out;
    let told = process::lines(&log, "cannot accept").len();
    assert!((1..=3).contains(&told), "{log}");
}

/// A daemon that may have so many descriptors, and listens.
fn with_descriptors(count: usize, args: &str) -> Process {
    let hapolicy = hapolicy();
    let daemon = format!("ulimit -n {count}; exec {hapolicy} -L --listen inet:127.0.0.1:0 {args}");
    let process = Process::start("/bin/sh", &["-c", &daemon]);
    assert!(
        process.out.wait_lines(1, "listening on "),
        "{}",
        process.err.text()
    );
    process
}
