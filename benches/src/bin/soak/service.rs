//! A policy service that answers with the request's own mark and misbehaves at random; and its process, which is
//! killed and started again, or stopped and continued.

use std::{
    env, io,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use fastrand::Rng;
use policy_benches::{
    endpoint::Endpoint,
    process::Process,
    stub::{
        End::{Close, Keep},
        Reply,
    },
};
use rustix::process::Signal;

use crate::health::Health;

/// What a service does with one request: each its own, and the same whenever it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Answers about when the daemon gives up, before it or after.
    Late,
    /// Closes in place of an answer.
    Closes,
    /// Closes in the middle of it.
    ClosesWithin,
    /// Closes after it.
    ClosesAfter,
    /// Hangs until it is given up.
    Hangs,
    Garbage,
    InTwoPieces,
    /// Has an answer follow that nobody has asked for.
    AnswersTwice,
    Answers,
}

fn fate(mark: &[u8], number: usize) -> (Fate, Rng) {
    // FNV-1a.
    let hash = mark.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut chance = Rng::with_seed(hash ^ (number as u64).rotate_right(8));
    let fate = match chance.u32(0..3000) {
        0 => Fate::Late,
        1 => Fate::Closes,
        2 => Fate::ClosesWithin,
        3 => Fate::ClosesAfter,
        4 => Fate::Hangs,
        5 => Fate::Garbage,
        6..=20 => Fate::InTwoPieces,
        21 => Fate::AnswersTwice,
        _ => Fate::Answers,
    };
    (fate, chance)
}

/// Whether a service may leave a request without an answer that the daemon takes.
pub(crate) fn may_fail(mark: &[u8], number: usize) -> bool {
    matches!(
        fate(mark, number).0,
        Fate::Closes | Fate::ClosesWithin | Fate::Late | Fate::Hangs | Fate::Garbage
    )
}

/// What a service says to a request.
pub(crate) fn reply(request: &[u8], number: usize) -> Reply {
    let mut lines = request.split(|byte| *byte == b'\n');
    let Some(mark) = lines.find_map(|line| line.strip_prefix(b"instance=")) else {
        return Reply::Later(Vec::new(), Close);
    };
    let whole = [b"action=OK ", mark, b"\n\n"].concat();
    let (fate, mut chance) = fate(mark, number);
    let half = chance.usize(1..whole.len());
    let now = Duration::ZERO;
    match fate {
        Fate::Late => Reply::Later(
            vec![(Duration::from_millis(chance.u64(500..1500)), whole)],
            Keep,
        ),
        Fate::Closes => Reply::Later(Vec::new(), Close),
        Fate::ClosesWithin => Reply::Later(vec![(now, whole[..half].to_vec())], Close),
        Fate::ClosesAfter => Reply::Later(vec![(now, whole)], Close),
        Fate::Hangs => Reply::Later(Vec::new(), Keep),
        Fate::Garbage => Reply::Now(b"220 hello\n".into()),
        Fate::InTwoPieces => {
            let (begin, end) = whole.split_at(half);
            let pause = Duration::from_millis(1);
            Reply::Later(vec![(now, begin.to_vec()), (pause, end.to_vec())], Keep)
        }
        Fate::AnswersTwice => {
            Reply::Now([&whole[..], b"action=OK nobody asked\n\n"].concat().into())
        }
        Fate::Answers => Reply::Now(whole.into()),
    }
}

/// One that runs, but for the times when it does not.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    /// How often it has been killed or stopped.
    pub(crate) faults: usize,
    number: usize,
    process: Process,
    chance: Rng,
}

impl Service {
    pub(crate) fn start(endpoint: Endpoint, number: usize, chance: Rng) -> io::Result<Self> {
        let process = start(&endpoint, number)?;
        Ok(Self {
            number,
            process,
            endpoint,
            faults: 0,
            chance,
        })
    }

    /// Lets it fail each few seconds. It is well again in the end.
    pub(crate) fn fail_until(&mut self, end: Instant, health: &Health) -> io::Result<()> {
        loop {
            let well = Duration::from_millis(self.chance.u64(500..8000));
            if Instant::now() + well >= end {
                return Ok(());
            }
            sleep(well);
            // Answers by default would not be explained.
            if let Some(status) = self.process.status()? {
                let text = format!("the service at {} has ended: {status}", self.endpoint);
                return Err(io::Error::other(text));
            }
            self.faults += 1;
            health.fails(self.number);
            let ill = Duration::from_millis(self.chance.u64(50..3000));
            if self.chance.bool() {
                self.process.signal(Signal::KILL)?;
                self.process.wait()?;
                sleep(ill);
                self.process = start(&self.endpoint, self.number)?;
                self.process
                    .wait_for(&self.endpoint)
                    .map_err(io::Error::other)?;
            } else {
                self.process.signal(Signal::STOP)?;
                sleep(ill);
                self.process.signal(Signal::CONT)?;
            }
            health.recovers(self.number);
        }
    }
}

fn start(endpoint: &Endpoint, number: usize) -> io::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["service", &endpoint.to_string(), &number.to_string()]);
    Process::start(command.stdin(Stdio::piped()))
}
