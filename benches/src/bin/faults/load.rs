//! Sixteen smtpd at a time, while services are killed, stopped, or hang on some requests.

use std::{
    error::Error,
    path::Path,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use policy_testing::{
    server::Server,
    stub::{Reply, Script, Stub},
};
use rustix::process::Signal;

use crate::{
    client::{Postfix, Try},
    lock::lock,
    program::{Program, Setting},
    syslog::Syslog,
    verdict::{Worth, blame},
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scenario {
    /// One of two services is killed and restarted, ten times.
    Killed,
    /// One of two services stands still for five seconds.
    Stopped,
    /// Both services hang on one request in ten.
    Poisoned,
}

impl Scenario {
    pub(crate) const ALL: [Self; 3] = [Self::Killed, Self::Stopped, Self::Poisoned];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Killed => "a service is killed and restarted ten times in twenty seconds",
            Self::Stopped => "a service stands still for five seconds",
            Self::Poisoned => "both services hang on one request in ten",
        }
    }
}

/// What the clients of one program got.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Those that are not poisonous.
    pub(crate) requests: Vec<Request>,
    pub(crate) poisonous: Vec<Request>,
    pub(crate) blame: String,
}

/// One request: its worth in the end, after how many tries, and how long they took.
pub(crate) struct Request {
    pub(crate) worth: Worth,
    pub(crate) tries: usize,
    pub(crate) took: Duration,
}

/// All programs at a time: they wait more than they work.
pub(crate) fn run(scenario: Scenario, home: &Path, syslog: &Syslog) -> Vec<Outcome> {
    let begin = &Barrier::new(Program::ALL.len() * (CONNECTIONS + 1));
    thread::scope(|scope| {
        let one = |(number, program): (u8, Program)| {
            let load = Load {
                scenario,
                program,
                home,
                number,
                syslog,
                begin,
            };
            // Nobody could go on without it.
            let run = move || {
                load.run()
                    .unwrap_or_else(|error| panic!("{}: {error}", program.name()))
            };
            scope.spawn(run)
        };
        let running: Vec<_> = (10..).zip(Program::ALL).map(one).collect();
        let outcomes = running.into_iter().map(|running| running.join());
        outcomes.collect::<Result<_, _>>().expect("see above")
    })
}

/// One program in one scenario.
struct Load<'a> {
    scenario: Scenario,
    program: Program,
    home: &'a Path,
    number: u8,
    syslog: &'a Syslog,
    /// All clients of all programs begin together, once each has been answered.
    begin: &'a Barrier,
}

impl Load<'_> {
    fn run(&self) -> Result<Outcome, Box<dyn Error>> {
        if self.scenario == Scenario::Poisoned {
            let (first, second) = (hangs_on_poison("first"), hangs_on_poison("second"));
            let poisons = AtomicUsize::new(0);
            let turn = |client: &mut Postfix<'_>, number, serial, outcome: &Mutex<Outcome>| {
                self.poisoned(client, number, serial, outcome, &poisons)
            };
            return self.load(&first.address(), &second.address(), turn, || {});
        }
        let policy_client = &self.home.join("policy-client");
        let mut first = Server::start(policy_client, "first");
        let second = Server::start(policy_client, "second");
        let done = AtomicBool::new(false);
        let turn = |client: &mut Postfix<'_>, number, serial, outcome: &Mutex<Outcome>| {
            let asked = ask(client, &format!("{number}.{serial}"));
            lock(outcome).requests.push(asked);
            thread::sleep(PAUSE);
            !done.load(SeqCst)
        };
        let address = first.address().to_owned();
        self.load(&address, second.address(), turn, || {
            self.trouble(&mut first);
            done.store(true, SeqCst);
        })
    }

    /// All connections take turn after turn while something happens; a turn says whether there is to be
    /// another one.
    fn load(
        &self,
        first: &str,
        second: &str,
        turn: impl Fn(&mut Postfix<'_>, usize, usize, &Mutex<Outcome>) -> bool + Sync,
        something: impl FnOnce(),
    ) -> Result<Outcome, Box<dyn Error>> {
        let running = self.program.start(Setting {
            home: self.home,
            number: self.number,
            syslog: self.syslog,
            first,
            second,
            shared: true,
            descriptors: None,
        })?;
        let outcome = Mutex::<Outcome>::default();
        thread::scope(|scope| {
            for number in 0..CONNECTIONS {
                let (running, outcome, turn) = (&running, &outcome, &turn);
                scope.spawn(move || {
                    let mut client = Postfix::new(running).expect("a runtime");
                    // The second time all have their processes: none has to wait while others start.
                    for _ in 0..2 {
                        client.ask("before");
                        self.begin.wait();
                    }
                    (0..).find(|serial| !turn(&mut client, number, *serial, outcome));
                });
            }
            self.begin.wait();
            self.begin.wait();
            something();
        });
        // Sessions are logged at their end.
        thread::sleep(SAID);
        let mut outcome = outcome.into_inner().expect("no panic under the lock");
        outcome.blame = blame(self.program, &running.log());
        Ok(outcome)
    }

    fn trouble(&self, first: &mut Server) {
        thread::sleep(SECOND);
        match self.scenario {
            Scenario::Killed => {
                for _ in 0..10 {
                    first.signal(Signal::KILL);
                    thread::sleep(SECOND);
                    first.restart();
                    thread::sleep(SECOND);
                }
            }
            _ => {
                first.signal(Signal::STOP);
                thread::sleep(5 * SECOND);
                first.signal(Signal::CONT);
            }
        }
        thread::sleep(2 * SECOND);
    }

    /// Of the first twenty requests of each connection two are poisonous, at a time of its own; it goes
    /// on until all connections have had theirs, so that there are always others.
    fn poisoned(
        &self,
        client: &mut Postfix<'_>,
        number: usize,
        serial: usize,
        outcome: &Mutex<Outcome>,
        poisons: &AtomicUsize,
    ) -> bool {
        if serial < EACH && (serial + number).is_multiple_of(10) {
            let asked = ask(client, &format!("poison-{number}.{serial}"));
            lock(outcome).poisonous.push(asked);
            poisons.fetch_add(1, SeqCst);
        } else {
            let asked = ask(client, &format!("{number}.{serial}"));
            lock(outcome).requests.push(asked);
            thread::sleep(LONG_PAUSE);
        }
        poisons.load(SeqCst) < CONNECTIONS * EACH / 10
    }
}

fn ask(client: &mut Postfix<'_>, sender: &str) -> Request {
    let begin = Instant::now();
    let tries: Vec<Try> = client.ask(sender);
    Request {
        worth: Worth::of(&tries, sender),
        tries: tries.len(),
        took: begin.elapsed(),
    }
}

fn hangs_on_poison(name: &'static str) -> Stub {
    fn reply(request: &[u8], answer: &str) -> Reply {
        // In any order: the Perl script shuffles attributes.
        let mut lines = request.split(|byte| *byte == b'\n');
        if lines.any(|line| line.starts_with(b"sender=poison-")) {
            Reply::Hang
        } else {
            Reply::Bytes(answer.into())
        }
    }
    let choose: fn(&[u8]) -> Reply = match name {
        "first" => |request| reply(request, "action=first\n\n"),
        _ => |request| reply(request, "action=second\n\n"),
    };
    Stub::tcp(Script::reply(Reply::Choose(choose)))
}

pub(crate) const CONNECTIONS: usize = 16;
const EACH: usize = 20;
/// Of each connection between requests: some 300 requests a second in all.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);
const SAID: Duration = Duration::from_millis(300);
