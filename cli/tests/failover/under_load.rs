//! Sixteen connections through the daemon to two services, one of which is killed again and again, or
//! both of which hang on some requests. What a request cost is counted in attempts, which the daemon logs,
//! and not in seconds.

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

use policy_testing::{
    process::{Client, Daemon, Signal, lines, policy_client, request, warnings},
    server::Server,
    stub::{Reply, Script, Stub},
    within,
};

#[test]
fn a_service_killed_ten_times_costs_no_request_its_answer_nor_more_than_one_failover() {
    let mut killed = Server::start(Path::new(policy_client()), "killed");
    let other = Server::start(Path::new(policy_client()), "other");
    let addresses = [("killed", killed.address()), ("other", other.address())];
    let daemon = daemon_of(addresses, ATTEMPT);
    let answers = Mutex::<Vec<Asked>>::default();
    let done = AtomicBool::new(false);
    let count = |name: &str| {
        let answers = lock(&answers);
        answers.iter().filter(|asked| asked.action == name).count()
    };

    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (daemon, answers, done) = (&daemon, &answers, &done);
            scope.spawn(move || {
                let mut client = connect(daemon);
                for serial in 0.. {
                    if done.load(SeqCst) {
                        return;
                    }
                    let asked = ask(&mut client, format!("{number}.{serial}"));
                    lock(answers).push(asked);
                    // Ten restarts take some seconds: there is no need to keep all processors busy.
                    thread::sleep(Duration::from_millis(3));
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

    let log = daemon.stop().out;
    let attempts = attempts(&log);
    let answers = lock(&answers);
    for Asked { mark, action, .. } in &*answers {
        let (last, failed) = attempts[&**mark].split_last().expect("an attempt");
        assert_eq!(*last, (&**action, &**action), "{mark}");
        assert!(
            matches!(failed, [] | [("killed", "")]),
            "{mark}: {failed:?}"
        );
    }
    assert_eq!(attempts.len(), answers.len());
    // A service that failed did so at once: it refused, or closed. None of it was the other's fault.
    let warnings = warnings(&log).join("\n");
    assert!(!warnings.contains("Timeout"), "{warnings}");
    assert!(!warnings.contains("'other'"), "{warnings}");
    // About ten: a restart may be so quick that nobody notices.
    let downs = lines(&log, "is down");
    // What is said again within 10 s is counted.
    let counted = |line: &String| {
        let more = line
            .rsplit_once("(and ")
            .and_then(|(_, rest)| rest.split(' ').next());
        1 + more
            .and_then(|more| more.parse::<usize>().ok())
            .unwrap_or(0)
    };
    let downs: usize = downs.iter().map(counted).sum();
    assert!(downs >= 5, "{warnings}");
}

#[test]
fn a_poisonous_request_in_ten_takes_no_service_out_and_costs_no_other_request_anything() {
    let (a, b) = (hangs_on_poison("a"), hangs_on_poison("b"));
    let addresses = [("a", &*a.address()), ("b", &*b.address())];
    let daemon = daemon_of(addresses, POISON_ATTEMPT);
    let answers = Mutex::<Vec<Asked>>::default();
    let poisons = AtomicUsize::new(0);

    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (daemon, answers, poisons) = (&daemon, &answers, &poisons);
            scope.spawn(move || {
                let mut client = connect(daemon);
                // Who has done its part goes on until all have, so that there are always others.
                for serial in 0.. {
                    let mark = format!("{number}.{serial}");
                    if serial < EACH && (serial + number) % 10 == 0 {
                        let asked = ask(&mut client, format!("{POISON}{mark}"));
                        lock(answers).push(asked);
                        poisons.fetch_add(1, SeqCst);
                    } else if poisons.load(SeqCst) < CONNECTIONS * EACH / 10 {
                        let asked = ask(&mut client, mark);
                        lock(answers).push(asked);
                        thread::sleep(Duration::from_millis(500));
                    } else if serial >= EACH {
                        return;
                    }
                }
            });
        }
    });

    let log = daemon.stop().out;
    let attempts = attempts(&log);
    let answers = lock(&answers);
    let (poisonous, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|asked| asked.is_poisonous());
    assert_eq!(poisonous.len(), CONNECTIONS * EACH / 10);
    for Asked { mark, action, .. } in &poisonous {
        let mut attempts = attempts[&**mark].clone();
        attempts.sort_unstable();
        assert_eq!(
            (&**action, attempts),
            ("default", vec![("a", ""), ("b", "")])
        );
    }
    for Asked { mark, action, .. } in &others {
        assert_eq!(attempts[&**mark], [(&**action, &**action)], "{mark}");
    }
    let mut ends: Vec<Instant> = answers.iter().map(|asked| asked.answered).collect();
    ends.sort_unstable();
    let gap = ends.windows(2).map(|pair| pair[1] - pair[0]).max();
    if gap.is_some_and(|gap| gap > POISON_ATTEMPT / 2) {
        println!("SKIPPED: the machine stood still for {gap:?}");
        return;
    }
    // Each service answered others while it hung.
    assert_eq!(lines(&log, "is down"), [""; 0]);
    for poison in poisonous {
        // Who comes after it has its answer before it: nobody waits behind it.
        let during = |asked: &&&Asked| poison.sent < asked.sent && asked.answered < poison.answered;
        let during = others.iter().filter(during).count();
        assert!(during >= CONNECTIONS, "{during} beside {}", poison.mark);
    }
}

/// What came of a request.
#[derive(Debug)]
struct Asked {
    /// Its sender, which no other request has.
    mark: String,
    action: String,
    sent: Instant,
    answered: Instant,
}

impl Asked {
    fn is_poisonous(&self) -> bool {
        self.mark.starts_with(POISON)
    }
}

fn ask(client: &mut Client, mark: String) -> Asked {
    let sent = Instant::now();
    let action = client.ask(&request(&[("sender", &mark), ("instance", "")]));
    Asked {
        mark,
        action,
        sent,
        answered: Instant::now(),
    }
}

fn connect(daemon: &Daemon) -> Client {
    let client = daemon.connect();
    client.set_patience(PATIENCE);
    client
}

/// A server that answers with its name, but never those whose sender is poison.
fn hangs_on_poison(name: &'static str) -> Stub {
    fn reply(request: &[u8], answer: &str) -> Reply {
        let text = String::from_utf8_lossy(request);
        match text.contains(&format!("\nsender={POISON}")) {
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

/// Two services, called as their actions, and a line in the log for each attempt.
fn daemon_of(services: [(&str, &str); 2], attempt: Duration) -> Daemon {
    let attempt = attempt.as_secs();
    let services = services.map(|(name, address)| format!("-s{name}={address}:::{attempt}"));
    let services = services.each_ref().map(String::as_str);
    Daemon::tcp(
        &[
            &services[..],
            &[
                "-l",
                "--log-format=classic",
                "-d",
                "default",
                "--affinity",
                "none",
            ],
        ]
        .concat(),
    )
}

/// Of each request, by its mark: who was asked, and the action, which is empty if it failed.
fn attempts(log: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut attempts = BTreeMap::<_, Vec<_>>::new();
    for line in log.lines().filter(|line| line.contains(", prio: ")) {
        let part = |begin, end| {
            let rest = line.split(begin).nth(1);
            rest.and_then(|rest| rest.split(end).next()).expect(line)
        };
        let attempt = (part("]: [", "]"), part("action: '", "'"));
        attempts
            .entry(part("from: <", ">"))
            .or_default()
            .push(attempt);
    }
    attempts
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

const CONNECTIONS: usize = 16;
/// Requests of a connection until it has done its part, one in ten of them poisonous.
const EACH: usize = 10;
const POISON: &str = "poison-";
/// Far longer than a killed server's.
const ATTEMPT: Duration = Duration::from_secs(20);
/// Each poisonous request takes two of these.
const POISON_ATTEMPT: Duration = Duration::from_secs(2);
/// Bounds a failure.
const PATIENCE: Duration = Duration::from_secs(60);
