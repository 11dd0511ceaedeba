//! Memory, descriptors and threads of the daemon, each few seconds, and whether they grow.
//!
//! It has grown if it holds more in the last quarter of the time than in the second (medians: the first
//! quarter fills caches and pools), memory by over 5 % and 1 MB, or descriptors by over a half: how many
//! there are goes up and down with the services that hang. Or if it has more threads, or, after all clients
//! have left, more descriptors than before they came: but for the idle connections to the services, which
//! are closed after a minute.
//!
//! Each connection is one task of the daemon's, and holds its descriptors until it ends: with the
//! descriptors the tasks are back where they began.

use std::{
    fmt, io,
    thread::sleep,
    time::{Duration, Instant},
};

use policy_benches::{
    process::{Process, count, resident},
    report::median,
};

use crate::client::Tally;

#[derive(Debug)]
pub(crate) struct Watch {
    begin: Instant,
    /// Before any client came, and after the last has left.
    before: Sample,
    after: Sample,
    samples: Vec<Sample>,
    said: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// kB
    resident: u64,
    descriptors: usize,
    threads: usize,
}

pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

impl Watch {
    pub(crate) fn new(daemon: &Process) -> io::Result<Self> {
        let before = Sample::take(daemon)?;
        Ok(Self {
            begin: Instant::now(),
            before,
            after: before,
            samples: Vec::new(),
            said: Instant::now(),
        })
    }

    /// Takes a sample, and says each half minute how it goes.
    pub(crate) fn look(&mut self, daemon: &Process, tally: &Tally) -> io::Result<()> {
        let sample = Sample::take(daemon)?;
        self.samples.push(sample);
        if self.said.elapsed() >= SAY {
            self.said = Instant::now();
            let seconds = self.begin.elapsed().as_secs();
            println!("{seconds:>5} s: {sample}; {tally}");
        }
        Ok(())
    }

    /// Waits until it has closed what it does not need, a minute and a half at most.
    pub(crate) fn wait_for_rest(&mut self, daemon: &Process) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            self.after = Sample::take(daemon)?;
            let rests = self.after.descriptors <= self.before.descriptors;
            if rests || begin.elapsed() > REST {
                return Ok(());
            }
            sleep(INTERVAL);
        }
    }

    pub(crate) fn failure(&self) -> Option<String> {
        let mut failures = Vec::new();
        let [early, late] = [1, 3].map(|quarter| self.median(quarter, |sample| sample.resident));
        if self.samples.len() >= FEWEST && late > (early + early / 20).max(early + 1024) {
            failures.push(format!("memory grew from {early} to {late} kB"));
        }
        let descriptors = |quarter| self.median(quarter, |sample| sample.descriptors as u64);
        let [early, late] = [1, 3].map(descriptors);
        if self.samples.len() >= FEWEST && late > early + early / 2 {
            failures.push(format!("descriptors grew from {early} to {late}"));
        }
        let (before, after) = (self.before, self.after);
        for (what, before, after) in [
            ("descriptors", before.descriptors, after.descriptors),
            ("threads", before.threads, after.threads),
        ] {
            if after > before {
                failures.push(format!("{before} {what} before, {after} after"));
            }
        }
        (!failures.is_empty()).then(|| failures.join("; "))
    }

    fn quarter(&self, quarter: usize) -> &[Sample] {
        let length = self.samples.len();
        &self.samples[length * quarter / 4..length * (quarter + 1) / 4]
    }

    fn median(&self, quarter: usize, of: impl Fn(&Sample) -> u64) -> u64 {
        median(self.quarter(quarter).iter().map(|sample| of(sample) as f64)) as u64
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before: {}", self.before)?;
        for quarter in 0..4 {
            let memory = self.median(quarter, |sample| sample.resident);
            let descriptors = self.median(quarter, |sample| sample.descriptors as u64);
            let samples = self.quarter(quarter).iter();
            let most = samples.map(|sample| sample.descriptors).max().unwrap_or(0);
            writeln!(
                f,
                "quarter {}: {memory} kB and {descriptors} descriptors (medians), at most {most} of these",
                quarter + 1
            )?;
        }
        write!(f, "after: {}", self.after)
    }
}

impl Sample {
    fn take(daemon: &Process) -> io::Result<Self> {
        Ok(Self {
            resident: resident(std::slice::from_ref(daemon))?,
            descriptors: count(daemon, "fd")?,
            threads: count(daemon, "task")?,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kB, {} descriptors, {} threads",
            self.resident, self.descriptors, self.threads
        )
    }
}

/// Two for each quarter of the time.
const FEWEST: usize = 8;
const SAY: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(samples: impl Iterator<Item = (u64, usize)>, after: [usize; 2]) -> Watch {
        let sample = |resident, [descriptors, threads]: [usize; 2]| Sample {
            resident,
            descriptors,
            threads,
        };
        Watch {
            begin: Instant::now(),
            before: sample(1000, [20, 2]),
            after: sample(1000, after),
            samples: samples
                .map(|(resident, descriptors)| sample(resident, [descriptors, 2]))
                .collect(),
            said: Instant::now(),
        }
    }

    #[test]
    fn growth_is_a_failure_and_a_warm_up_is_none() {
        let warm = |n: u64| 5000 + n % 7 + 100 * n.min(20);
        let steady = || (0..100).map(|n| (warm(n), 300 + n as usize % 70));
        for (watch, expected) in [
            (watch(steady(), [20, 2]), None),
            (
                watch((0..100).map(|n| (5000 + 40 * n, 300)), [20, 2]),
                Some("memory grew from 6480 to 8480 kB"),
            ),
            (
                watch((0..100).map(|n| (warm(n), 200 + 5 * n as usize)), [20, 2]),
                Some("descriptors grew from 385 to 635"),
            ),
            (
                watch(steady(), [21, 2]),
                Some("20 descriptors before, 21 after"),
            ),
            (watch(steady(), [20, 3]), Some("2 threads before, 3 after")),
            (watch((0..7).map(|n| (5000 * n, 300)), [20, 2]), None),
        ] {
            assert_eq!(watch.failure().as_deref(), expected);
        }
    }
}
