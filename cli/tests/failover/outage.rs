//! A service is killed and comes back while all connections ask.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use policy_testing::process::{self, Client, Daemon, request};

use crate::echo_server::EchoServer;

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
    assert!(!process::about(&log, "killed").is_empty(), "{log}");
    assert_eq!(process::about(&log, "other"), [""; 0], "{log}");
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
