//! Sixteen connections through the daemon to two services, one of which is killed again and again, or
//! both of which hang on some requests.

mod process;
mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use process::{Client, Daemon, POLICY_CLIENT, Signal, lines, request};
use support::{
    server::Server,
    stub::{Reply, Script, Stub},
    within,
};

const CONNECTIONS: usize = 16;

#[test]
fn a_service_killed_ten_times_costs_no_request_its_answer_nor_more_than_one_failover() {
    let mut killed = Server::start(Path::new(POLICY_CLIENT), "killed");
    let other = Server::start(Path::new(POLICY_CLIENT), "other");
    let daemon = daemon_of(killed.address(), other.address(), ATTEMPT);
    let counts = Mutex::<BTreeMap<String, usize>>::default();
    let slowest = Mutex::<Duration>::default();
    let done = AtomicBool::new(false);
    let count = |name: &str| lock(&counts).get(name).copied().unwrap_or(0);

    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut client = daemon.connect();
                client.set_patience(PATIENCE);
                while !done.load(SeqCst) {
                    let (action, took) = timed(&mut client, "someone");
                    *lock(&counts).entry(action).or_default() += 1;
                    let mut slowest = lock(&slowest);
                    *slowest = took.max(*slowest);
                    drop(slowest);
                    // Ten restarts take some seconds: there is no need to keep all processors busy.
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let mut wrong = None;
        for round in 0..10 {
            let (before, others) = (count("killed"), count("other"));
            if !within(PATIENCE, || count("killed") > before + 50) {
                wrong = Some(format!("it does not come back in round {round}"));
                break;
            }
            killed.signal(Signal::KILL);
            within(PATIENCE, || count("other") > others + 200);
            killed.restart();
        }
        done.store(true, SeqCst);
        assert_eq!(wrong, None);
    });

    let (counts, slowest) = (lock(&counts), lock(&slowest));
    println!("{counts:?}, slowest {slowest:?}");
    let names: Vec<_> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["killed", "other"], "{counts:?}");
    assert!(*slowest < ATTEMPT + SLACK, "{slowest:?}");
    let log = daemon.stop().out;
    assert_eq!(lines(&log, "'other'"), [""; 0], "{log}");
    // About ten of each, and never two in a row: a restart may be so quick that nobody notices, and an
    // answer that was on its way may be read after the first failure.
    let (downs, ups) = (lines(&log, "is down").len(), lines(&log, "is up").len());
    assert!(downs >= 5 && downs - ups <= 1, "{log}");
}

#[test]
fn a_poisonous_request_in_ten_takes_no_service_out_and_no_other_request_is_asked_twice() {
    let (a, b) = (hangs_on_poison("a"), hangs_on_poison("b"));
    let daemon = daemon_of(&a.address(), &b.address(), POISON_ATTEMPT);
    let answers = Mutex::<Vec<Answer>>::default();
    let poisons = AtomicUsize::new(0);

    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (daemon, answers, poisons) = (&daemon, &answers, &poisons);
            scope.spawn(move || {
                let mut client = daemon.connect();
                client.set_patience(PATIENCE);
                // Who has done its part goes on until all have, so that there are always others.
                for serial in 0.. {
                    if serial < EACH && (serial + number) % 10 == 0 {
                        assert_eq!(timed(&mut client, "poison").0, "default");
                        poisons.fetch_add(1, SeqCst);
                    } else if poisons.load(SeqCst) < CONNECTIONS * EACH / 10 {
                        let (action, took) = timed(&mut client, "someone");
                        lock(answers).push((Instant::now(), action, took));
                        thread::sleep(Duration::from_millis(500));
                    } else if serial >= EACH {
                        return;
                    }
                }
            });
        }
    });

    let mut answers = lock(&answers);
    answers.sort();
    let of = |name| answers.iter().filter(move |(_, action, _)| action == name);
    assert_eq!(of("a").count() + of("b").count(), answers.len());
    let asked = a.requests().len() + b.requests().len();
    assert_eq!(asked, answers.len() + 2 * poisons.load(SeqCst));
    let mut times: Vec<_> = answers.iter().map(|(_, _, took)| *took).collect();
    times.sort();
    let gaps = answers.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let gap = gaps.max().expect("there are many answers");
    println!(
        "{} poisonous requests, {} others: median {:?}, slowest {:?}; at most {gap:?} between answers",
        poisons.load(SeqCst),
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1],
    );
    // Unless the machine stood still, each service answered others while it hung.
    let log = daemon.stop().out;
    let down = lines(&log, "is down");
    assert!(down.is_empty() || gap > POISON_ATTEMPT / 2, "{log}");
}

/// When an answer came, what it was, and how long it took.
type Answer = (Instant, String, Duration);

/// A server that answers with its name, but never those whose sender is `poison`.
fn hangs_on_poison(name: &'static str) -> Stub {
    fn reply(request: &[u8], answer: &str) -> Reply {
        let poisoned = request.windows(15).any(|part| part == b"\nsender=poison\n");
        match poisoned {
            true => Reply::Hang,
            false => Reply::Bytes(answer.into()),
        }
    }
    let choose: fn(&[u8]) -> Reply = match name {
        "a" => |request| reply(request, "action=a\n\n"),
        _ => |request| reply(request, "action=b\n\n"),
    };
    Stub::tcp(Script::reply(Reply::Choose(choose)))
}

fn daemon_of(first: &str, second: &str, attempt: Duration) -> Daemon {
    let attempt = attempt.as_secs();
    let services = [
        format!("killed={first}:::{attempt}"),
        format!("other={second}:::{attempt}"),
    ];
    let affinity = ["--affinity", "none"];
    let args = ["-s", &services[0], "-s", &services[1], "-d", "default"];
    Daemon::tcp(&[&args[..], &affinity].concat())
}

/// The action for a request of this sender, and how long it took.
fn timed(client: &mut Client, sender: &str) -> (String, Duration) {
    let begin = Instant::now();
    let action = client.ask(&request(&[("sender", sender), ("instance", "")]));
    (action, begin.elapsed())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

/// Requests of a connection until it has done its part, one in ten of them poisonous.
const EACH: usize = 10;
/// The time-out of an attempt, which a request that fails over once may take, and a busy machine's share.
const ATTEMPT: Duration = Duration::from_secs(20);
const SLACK: Duration = Duration::from_secs(15);
/// Each poisonous request takes two of these.
const POISON_ATTEMPT: Duration = Duration::from_secs(2);
/// Bounds a failure.
const PATIENCE: Duration = Duration::from_secs(60);
