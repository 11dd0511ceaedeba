//! Signals while answers are under way.

use std::time::Duration;

use policy_testing::{
    process::{self, Client, Daemon, Gate, Signal, request},
    within,
};

#[test]
fn sigterm_amid_fifty_answers_to_tcp_clients_loses_none_and_refuses_new_ones() {
    fifty_delayed_answers_arrive("inet:127.0.0.1:0", Signal::TERM);
}

#[test]
fn sigint_amid_fifty_answers_to_tcp_clients_loses_none_and_refuses_new_ones() {
    fifty_delayed_answers_arrive("inet:127.0.0.1:0", Signal::INT);
}

#[test]
fn sigterm_amid_fifty_answers_to_unix_clients_loses_none_and_refuses_new_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = format!("unix:{}", dir.path().join("policy.sock").display());
    fifty_delayed_answers_arrive(&socket, Signal::TERM);
}

#[test]
fn sigint_amid_fifty_answers_to_unix_clients_loses_none_and_refuses_new_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = format!("unix:{}", dir.path().join("policy.sock").display());
    fifty_delayed_answers_arrive(&socket, Signal::INT);
}

fn fifty_delayed_answers_arrive(listen: &str, signal: Signal) {
    let gate = Gate::new();
    let service = format!("gate={}:::60", gate.address);
    let daemon = Daemon::start(&[listen], &["-s", &service]);
    let mut idle = daemon.connect();
    let mut clients = send(&daemon, "late");
    assert!(gate.wait_arrived(FIFTY));

    daemon.process.signal(signal);
    assert!(idle.is_ended(), "an idle connection ends");
    // A second's tries at most: where none is refused, they must not fill the queue of the socket.
    let refused = within(Duration::from_secs(1), || {
        Client::try_connect(daemon.endpoint()).is_err()
    });

    for mark in marks("late") {
        gate.release(&mark);
    }
    for (mark, client) in marks("late").iter().zip(&mut clients) {
        assert_eq!(&client.action(), mark);
        assert!(client.is_ended());
    }
    daemon.ended_well();
    assert!(
        refused,
        "a new connection was not refused while answers were under way"
    );
}

/// One worker may have nothing left to do long before the other.
#[test]
fn sigterm_asks_nothing_twice_when_connections_to_a_service_are_shared_by_workers() {
    let gate = Gate::new();
    let service = format!("gate={}:::60", gate.address);
    let args = ["-s", &service, "--workers", "4", "-d", "default"];
    let daemon = Daemon::tcp(&args);

    // Fifty idle connections to the service, opened by all the workers.
    let mut clients = send(&daemon, "early");
    assert!(gate.wait_arrived(FIFTY));
    for (mark, client) in marks("early").iter().zip(&mut clients) {
        gate.release(mark);
        assert_eq!(&client.action(), mark);
    }
    drop(clients);

    let mut clients = send(&daemon, "late");
    assert!(gate.wait_arrived(2 * FIFTY));
    daemon.process.signal(Signal::TERM);
    let mut got = Vec::new();
    for (mark, client) in marks("late").iter().zip(&mut clients) {
        gate.release(mark);
        got.push(
            client
                .reply()
                .map(|reply| String::from_utf8_lossy(&reply).into_owned()),
        );
        // Its connection is over, and perhaps its worker.
        client.is_ended();
    }
    daemon.ended_well();
    let expected: Vec<_> = marks("late")
        .iter()
        .map(|mark| Some(format!("action={mark}\n\n")))
        .collect();
    assert_eq!(got, expected);
    assert_eq!(gate.arrived().len(), 2 * FIFTY, "each request came once");
}

#[test]
fn sigterm_right_after_the_start_is_an_orderly_end() {
    let gate = Gate::new();
    let service = format!("gate={}:::60", gate.address);
    for _ in 0..40 {
        Daemon::tcp(&["-s", &service]).stop();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let gate = Gate::new();
    let service = format!("gate={}:::60", gate.address);
    for second in [Signal::TERM, Signal::INT] {
        let daemon = Daemon::tcp(&["-s", &service]);
        let mut idle = daemon.connect();
        let mut client = daemon.connect();
        let before = gate.arrived().len();
        client.send(&request(&[("sender", "mark")]));
        assert!(gate.wait_arrived(before + 1));
        daemon.process.signal(Signal::TERM);
        assert!(idle.is_ended());
        daemon.process.signal(second);
        assert!(client.is_ended(), "without its answer");
        let log = daemon.ended_well().out;
        assert_eq!(process::lines(&log, "stopping at once").len(), 1, "{log}");
    }
}

#[test]
fn what_is_under_way_when_the_drain_is_over_is_cut_off() {
    let gate = Gate::new();
    let service = format!("gate={}:::60", gate.address);
    let daemon = Daemon::tcp(&["-s", &service, "--drain", "300ms"]);
    let mut client = daemon.connect();
    client.send(&request(&[("sender", "mark")]));
    assert!(gate.wait_arrived(1));
    daemon.process.signal(Signal::TERM);
    assert!(client.is_ended(), "without its answer");
    let log = daemon.ended_well().out;
    let told = process::lines(&log, "connections cut off at the end, count: 1");
    assert_eq!(told.len(), 1, "{log}");
}

#[test]
fn a_request_that_has_begun_when_the_signal_comes_may_be_finished() {
    let gate = Gate::new();
    gate.release("mark");
    let daemon = Daemon::tcp(&["-s", &format!("gate={}:::60", gate.address)]);
    let mut idle = daemon.connect();
    let mut client = daemon.connect();
    let request = request(&[("sender", "mark")]);
    client.send(&request[..20]);
    // By then the daemon has read the first part.
    for _ in 0..20 {
        daemon.connect().ask(b"request=other\n\n");
    }
    daemon.process.signal(Signal::TERM);
    assert!(idle.is_ended());
    client.send(&request[20..]);
    assert_eq!(client.action(), "mark");
    assert!(client.is_ended());
    daemon.ended_well();
}

/// A request on each of fifty new connections.
fn send(daemon: &Daemon, kind: &str) -> Vec<Client> {
    let send = |mark: &String| {
        let client = daemon.connect();
        client.send(&request(&[("sender", mark)]));
        client
    };
    marks(kind).iter().map(send).collect()
}

fn marks(kind: &str) -> Vec<String> {
    (0..FIFTY)
        .map(|number| format!("{kind}.{number}"))
        .collect()
}

const FIFTY: usize = 50;
