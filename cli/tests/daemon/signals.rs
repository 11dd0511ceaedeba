//! Signals that are not meant to end a daemon.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use policy_testing::{
    process::{self, Daemon, Gate, request},
    stub::{Script, Stub},
};

use crate::service;

#[test]
fn no_signal_but_those_that_stop_it_ends_a_daemon_amid_requests() {
    let gate = Gate::new();
    let daemon = Daemon::tcp(&["-s", &format!("gate={}:::60", gate.address)]);
    let mut client = daemon.connect();
    client.send(&request(&[("sender", "mark")]));
    assert!(gate.wait_arrived(1));
    for (signal, told) in [
        (
            Signal::SIGHUP,
            "reload: the options are read at the start only, a restart is needed",
        ),
        (Signal::SIGUSR1, "requests that no service answered: 0"),
        (Signal::SIGUSR2, "SIGUSR2 is ignored"),
        (Signal::SIGALRM, "SIGALRM is ignored"),
        (Signal::SIGVTALRM, "SIGVTALRM is ignored"),
        (Signal::SIGPROF, "SIGPROF is ignored"),
        (Signal::SIGIO, "SIGIO is ignored"),
        (Signal::SIGPWR, "SIGPWR is ignored"),
        (Signal::SIGSTKFLT, "SIGSTKFLT is ignored"),
        (Signal::SIGXCPU, "SIGXCPU is ignored"),
        (Signal::SIGXFSZ, "SIGXFSZ is ignored"),
    ] {
        kill(id_of(&daemon), signal).unwrap();
        assert!(
            daemon.process.out.wait_lines(1, told),
            "{signal}: {}",
            daemon.process.out.text()
        );
    }
    for number in 34..64 {
        send_number(&daemon, number);
        let told = format!("signal {number} is ignored");
        assert!(
            daemon.process.out.wait_lines(1, &told),
            "{}",
            daemon.process.out.text()
        );
    }
    for signal in [
        Signal::SIGPIPE,
        Signal::SIGCHLD,
        Signal::SIGURG,
        Signal::SIGWINCH,
    ] {
        kill(id_of(&daemon), signal).unwrap();
    }
    gate.release("mark");
    assert_eq!(client.action(), "mark");
    let log = daemon.stop().out;
    let mut notices = process::lines(&log, "[LOG notice]: ");
    // Where few descriptors can be had.
    notices.retain(|line| !line.contains(" descriptors leaves room for "));
    assert_eq!(notices.len(), 10 + 30, "{log}");
}

#[test]
fn a_signal_that_comes_often_is_told_once_in_ten_seconds() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    for _ in 0..50 {
        kill(id_of(&daemon), Signal::SIGHUP).unwrap();
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    assert!(
        (1..=3).contains(&process::lines(&log, "reload: ").len()),
        "{log}"
    );
}

#[test]
fn sigusr1_has_the_states_and_the_counters_of_the_services_logged() {
    let (a, b) = (Stub::tcp(Script::default()), Stub::tcp(Script::default()));
    let services = [service("a", &a, ":1"), service("b", &b, ":2")];
    let args = [
        "-s",
        &services[0],
        "-s",
        &services[1],
        "-s",
        "c=127.0.0.1:1",
        "--mode=c=disabled",
    ];
    let daemon = Daemon::tcp(&args);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    a.stop();
    assert_eq!(client.ask_about("x"), "dunno");
    kill(id_of(&daemon), Signal::SIGUSR1).unwrap();
    assert!(
        daemon
            .process
            .out
            .wait_lines(1, "requests that no service answered: 0")
    );
    let (a, b) = (a.address(), b.address());
    let state = |name: &str| {
        let lines = daemon
            .process
            .out
            .lines(&format!("[LOG info]: service '{name}' "));
        lines.last().cloned().unwrap_or_default()
    };
    let of_a = format!("service 'a' ({a}): enabled, down for ");
    assert!(
        state("a").contains(&of_a) && state("a").ends_with("s, answered: 1, failed: 1"),
        "{}",
        state("a")
    );
    let of_b = format!("service 'b' ({b}): enabled, up, answered: 1, failed: 0");
    assert!(state("b").ends_with(&of_b), "{}", state("b"));
    let of_c = "service 'c' (127.0.0.1:1): disabled, up, answered: 0, failed: 0";
    assert!(state("c").ends_with(of_c), "{}", state("c"));
    daemon.stop();
}

#[test]
fn sigquit_stops_it_as_sigterm_does() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, "")]);
    kill(id_of(&daemon), Signal::SIGQUIT).unwrap();
    daemon.ended_well();
}

fn id_of(daemon: &Daemon) -> Pid {
    Pid::from_raw(i32::try_from(daemon.process.id()).unwrap())
}

/// Real-time signals have no names.
fn send_number(daemon: &Daemon, number: i32) {
    let id = daemon.process.id().to_string();
    let ended = process::run("/bin/sh", &["-c", &format!("kill -{number} {id}")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
