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

/// What is done with one request.
pub(crate) fn reply(request: &[u8], chance: &mut Rng) -> Reply {
    let mut lines = request.split(|byte| *byte == b'\n');
    let Some(mark) = lines.find_map(|line| line.strip_prefix(b"instance=")) else {
        return Reply::Later(Vec::new(), Close);
    };
    let whole = [b"action=OK ", mark, b"\n\n"].concat();
    let what = chance.u32(0..3000);
    let half = chance.usize(1..whole.len());
    let now = Duration::ZERO;
    match what {
        // Late: about when the daemon gives up, before it or after.
        0 => Reply::Later(
            vec![(Duration::from_millis(chance.u64(500..1500)), whole)],
            Keep,
        ),
        // Closes in place of an answer, in the middle of it, and after it.
        1 => Reply::Later(Vec::new(), Close),
        2 => Reply::Later(vec![(now, whole[..half].to_vec())], Close),
        3 => Reply::Later(vec![(now, whole)], Close),
        // Hangs until it is given up.
        4 => Reply::Later(Vec::new(), Keep),
        5 => Reply::Now(b"220 hello\n".into()),
        // In two pieces.
        6..=20 => {
            let (begin, end) = whole.split_at(half);
            let pause = Duration::from_millis(1);
            Reply::Later(vec![(now, begin.to_vec()), (pause, end.to_vec())], Keep)
        }
        // Followed by an answer that nobody has asked for.
        21 => Reply::Now([&whole[..], b"action=OK nobody asked\n\n"].concat().into()),
        _ => Reply::Now(whole.into()),
    }
}

/// One that runs, but for the times when it does not.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    /// How often it has been killed or stopped.
    pub(crate) faults: usize,
    process: Process,
    chance: Rng,
}

impl Service {
    pub(crate) fn start(endpoint: Endpoint, mut chance: Rng) -> io::Result<Self> {
        let process = start(&endpoint, chance.u64(..))?;
        Ok(Self {
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
            health.fails();
            let ill = Duration::from_millis(self.chance.u64(50..3000));
            if self.chance.bool() {
                self.process.signal(Signal::KILL)?;
                self.process.wait()?;
                sleep(ill);
                self.process = start(&self.endpoint, self.chance.u64(..))?;
            } else {
                self.process.signal(Signal::STOP)?;
                sleep(ill);
                self.process.signal(Signal::CONT)?;
            }
            health.recovers();
        }
    }
}

fn start(endpoint: &Endpoint, seed: u64) -> io::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["service", &endpoint.to_string(), &seed.to_string()]);
    Process::start(command.stdin(Stdio::piped()))
}
