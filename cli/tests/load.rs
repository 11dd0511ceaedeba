//! Many connections at once through the daemon, with a service killed and a daemon ended in the
//! middle.

mod process;
mod support;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use process::{Client, Daemon, Gate, Signal, request};
use support::within;

const CONNECTIONS: usize = 100;
const REQUESTS: usize = 1_000;

#[test]
fn every_request_gets_its_own_answer_while_a_service_is_killed_and_comes_back() {
    let (mut killed, other) = (
        EchoServer::start("killed", 0),
        EchoServer::start("other", 0),
    );
    let daemon = Daemon::tcp(&[
        "-s",
        &format!("killed=127.0.0.1:{}", killed.port),
        "-s",
        &format!("other=127.0.0.1:{}", other.port),
        "-d",
        "the default action",
    ]);
    let phase = AtomicUsize::new(BEFORE);
    let answered = AtomicUsize::new(0);
    let (milestone, milestones) = mpsc::channel();

    let counts = thread::scope(|scope| {
        let client = |number| {
            let (daemon, phase, answered) = (&daemon, &phase, &answered);
            let milestone = milestone.clone();
            move || {
                let mut client = daemon.connect();
                let mut counts = Counts::default();
                for serial in 0..REQUESTS {
                    // What is answered before the next phase begins belongs to the one before.
                    let during = phase.load(SeqCst);
                    counts.add(during, ask(&mut client, &format!("{number}.{serial}")));
                    let count = answered.fetch_add(1, SeqCst) + 1;
                    if [KILL, BACK].contains(&count) {
                        milestone.send(()).expect("it is waited for");
                    }
                }
                counts
            }
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(client(n))).collect();

        milestones
            .recv_timeout(PATIENCE)
            .expect("30 % are answered");
        killed.kill();
        phase.store(DOWN, SeqCst);
        milestones
            .recv_timeout(PATIENCE)
            .expect("60 % are answered");
        killed = EchoServer::start("killed", killed.port);
        phase.store(AFTER, SeqCst);

        let mut counts = Counts::default();
        for client in clients {
            counts.merge(client.join().expect("all answers are right"));
        }
        counts
    });

    assert_eq!(counts.total(), CONNECTIONS * REQUESTS);
    // Its rest may last longer than the other requests did.
    let mut extra = Counts::default();
    let mut client = daemon.connect();
    let limit = Instant::now() + PATIENCE;
    while counts.of(AFTER, "killed") + extra.of(AFTER, "killed") == 0 && Instant::now() < limit {
        extra.add(AFTER, ask(&mut client, &format!("extra.{}", extra.total())));
    }
    println!(
        "{} requests over {CONNECTIONS} connections, each answered with its own mark; \
         before, during and after the outage: {counts:?}; {} more until it was back",
        counts.total(),
        extra.total()
    );
    assert!(counts.of(BEFORE, "killed") > 0 && counts.of(BEFORE, "other") > 0);
    assert!(counts.of(DOWN, "other") > 0);
    assert!(counts.of(AFTER, "other") > 0);
    assert!(counts.of(AFTER, "killed") + extra.of(AFTER, "killed") > 0);
    let log = daemon.stop().out;
    assert_eq!(
        process::lines(&log, "(127.0.0.1").len(),
        process::lines(&log, "'killed'").len(),
        "{log}"
    );
}

/// Sends a request with a mark; the name of the service that answered with it.
fn ask(client: &mut Client, mark: &str) -> String {
    let action = client.ask(&request(&[
        ("client_address", "192.0.2.1"),
        ("helo_name", "client.example"),
        ("sender", mark),
        ("recipient", "user@example.org"),
        ("instance", mark),
    ]));
    let (name, answered) = action.split_once(' ').expect("a name and a mark");
    assert_eq!(answered, mark, "an answer with another request's mark");
    name.to_owned()
}

/// How many requests each service answered in each phase.
#[derive(Debug, Default)]
struct Counts(BTreeMap<(usize, String), usize>);

impl Counts {
    fn add(&mut self, phase: usize, name: String) {
        *self.0.entry((phase, name)).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    fn of(&self, phase: usize, name: &str) -> usize {
        let count = self.0.get(&(phase, name.to_owned()));
        count.copied().unwrap_or(0)
    }

    fn total(&self) -> usize {
        self.0.values().sum()
    }
}

const BEFORE: usize = 0;
const DOWN: usize = 1;
const AFTER: usize = 2;
const KILL: usize = CONNECTIONS * REQUESTS * 3 / 10;
const BACK: usize = CONNECTIONS * REQUESTS * 6 / 10;
/// Bounds a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A policy server in a process of its own, so that it can be killed: this very program, told by its
/// environment to run [`the_policy_server_of_the_other_tests`].
#[derive(Debug)]
struct EchoServer {
    child: Child,
    port: u16,
    _out: BufReader<ChildStdout>,
}

impl EchoServer {
    fn start(name: &str, port: u16) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program has a path"))
            .args([
                "--exact",
                "the_policy_server_of_the_other_tests",
                "--nocapture",
            ])
            .env(ECHO, format!("{name} {port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let port = out.by_ref().lines().find_map(|line| {
            let line = line.expect("text");
            line.split_once("echo on ")?.1.parse().ok()
        });
        Self {
            port: port.expect("it listens"),
            _out: out,
            child,
        }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // An error says that it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// `NAME PORT` of the server that this program is to be.
const ECHO: &str = "HAPOLICY_TEST_ECHO";

/// Does nothing unless [`EchoServer`] asks for it.
#[test]
fn the_policy_server_of_the_other_tests() {
    let Ok(what) = env::var(ECHO) else {
        return;
    };
    let (name, port) = what.split_once(' ').expect("a name and a port");
    let port = port.parse().expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    println!("\necho on {port}");
    for stream in listener.incoming().map_while(Result::ok) {
        let name = name.to_owned();
        thread::spawn(move || echo(&name, &stream));
    }
}

fn echo(name: &str, mut stream: &TcpStream) {
    stream.set_nodelay(true).expect("a socket");
    let mut mark = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(sender) = line.strip_prefix("sender=") {
            mark = sender.to_owned();
        }
        let reply = format!("action={name} {mark}\n\n");
        if line.is_empty() && stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

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
