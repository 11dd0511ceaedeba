//! The load of `bench` for other measurements: again and again over the same connections, and strict.

use std::{
    io::{self, Cursor},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use regex::bytes::Regex;

use super::{
    client::Target,
    judge::Judge,
    load::{Life, Load, Settings},
    mix::Mix,
    plan::{Limit, Plan},
};
use crate::input::{capture, lines::Lines};

/// Connections, each of which sends its next request when the answer to its last is there.
///
/// ```
/// use std::{
///     io::{self, Read, Write},
///     os::unix::net::UnixStream,
///     thread,
/// };
///
/// use policy_client::{ClosedLoop, Target};
///
/// # fn main() -> io::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// thread::spawn(move || -> io::Result<()> {
///     while far.read(&mut [0; 4096])? > 0 {
///         far.write_all(b"action=DUNNO\n\n")?;
///     }
///     Ok(())
/// });
///
/// let request = b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n";
/// let mut load = ClosedLoop::new(Target::Open(vec![near]), 1, false, request, "DUNNO")?;
/// assert_eq!(load.ask_once()?.answers, 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ClosedLoop {
    load: Load<'static>,
    connections: usize,
}

/// What has come of a run.
#[derive(Debug)]
pub struct Answered {
    /// How many requests were answered, each as it should be.
    pub answers: u64,
    /// Until the last answer.
    pub elapsed: Duration,
    /// In nanoseconds.
    latency: Histogram<u64>,
}

impl ClosedLoop {
    /// So many connections, which are opened when they are used first, and kept unless each request is to have a new one.
    /// They send these requests, one after the other, and each is to be answered with this action.
    ///
    /// # Errors
    ///
    /// The system has refused something, or there is no request.
    pub fn new(
        target: Target,
        connections: usize,
        is_new_each: bool,
        requests: &[u8],
        action: &str,
    ) -> io::Result<Self> {
        let settings = Settings {
            target,
            connections,
            life: if is_new_each {
                Life::Request
            } else {
                Life::Kept
            },
            timeout: PATIENCE,
        };
        let lines = Lines::of(Box::new(Cursor::new(requests.to_vec())));
        let mix = Mix::from_captured(capture::requests(lines)).map_err(io::Error::other)?;
        let expected = Regex::new(&format!("^{}$", regex::escape(action)));
        let judge = Judge::new(Some(expected.map_err(io::Error::other)?), None);
        let load = Load::new(settings, plan(Limit::Count(0)), mix, judge, &NEVER, None)?;
        Ok(Self { load, connections })
    }

    /// Sends requests for that long, and waits for the answers of those under way.
    ///
    /// # Errors
    ///
    /// A request that was not answered as it should be.
    pub fn run(&mut self, time: Duration) -> io::Result<Answered> {
        self.run_to(Limit::Time(time))
    }

    /// Sends one request over each connection.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn ask_once(&mut self) -> io::Result<Answered> {
        self.run_to(Limit::Count(self.connections as u64))
    }

    fn run_to(&mut self, limit: Limit) -> io::Result<Answered> {
        self.load.plan(plan(limit))?;
        let outcome = self.load.run()?;
        let counts = outcome.tally.counts;
        let odd = counts.repeated + counts.excess + counts.unusual;
        if counts.wrong + counts.all_missing() + odd > 0 {
            let actions = outcome.judge.counts();
            return Err(io::Error::other(format!("{counts:?}, {actions:?}")));
        }
        Ok(Answered {
            answers: counts.answers,
            elapsed: outcome.elapsed,
            latency: outcome.tally.latency.clone(),
        })
    }
}

impl Answered {
    /// The latency within which this part of the answers came, from 0 to 1.
    #[must_use]
    pub fn latency(&self, part: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(part))
    }
}

/// A closed loop from now on, all of which is measured.
fn plan(limit: Limit) -> Plan {
    Plan::new(Instant::now(), None, Duration::ZERO, limit)
}

/// Nobody interrupts it.
static NEVER: AtomicBool = AtomicBool::new(false);
/// For an answer: the machine stands still at times.
const PATIENCE: Duration = Duration::from_secs(60);
