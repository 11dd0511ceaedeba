//! What the daemon holds, each few seconds, and whether it grows.
//!
//! It has grown if it holds more memory in the last quarter of the time than in the second by over 5 %
//! and 1 MB (medians: the first quarter fills caches and pools), more threads, or, after all clients
//! have left, more descriptors than before they came: but for the idle connections to the services,
//! which are closed after a minute.

use std::{fmt, io, time::Duration};

use policy_benches::process::{Process, descriptors, resident, threads};
use tokio::time::{Instant, sleep};

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

    /// Until it has closed what it does not need, or a minute and a half.
    pub(crate) async fn wait_for_rest(&mut self, daemon: &Process) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            self.after = Sample::take(daemon)?;
            let rests = self.after.descriptors <= self.before.descriptors;
            if rests || begin.elapsed() > REST {
                return Ok(());
            }
            sleep(INTERVAL).await;
        }
    }

    pub(crate) fn failure(&self) -> Option<String> {
        let mut failures = Vec::new();
        let [early, late] = [1, 3].map(|quarter| self.median_resident(quarter));
        let bound = (early + early / 20).max(early + 1024);
        if late > bound {
            failures.push(format!("memory grew from {early} to {late} kB"));
        }
        for (what, before, after) in [
            (
                "descriptors",
                self.before.descriptors,
                self.after.descriptors,
            ),
            ("threads", self.before.threads, self.after.threads),
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

    /// In kB.
    fn median_resident(&self, quarter: usize) -> u64 {
        let samples = self.quarter(quarter).iter();
        let mut resident: Vec<u64> = samples.map(|sample| sample.resident).collect();
        resident.sort_unstable();
        resident.get(resident.len() / 2).copied().unwrap_or(0)
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before: {}", self.before)?;
        for quarter in 0..4 {
            let samples = self.quarter(quarter).iter();
            let most = samples.map(|sample| sample.descriptors).max();
            let (number, memory) = (quarter + 1, self.median_resident(quarter));
            let most = most.unwrap_or(0);
            writeln!(
                f,
                "quarter {number}: {memory} kB (median), at most {most} descriptors"
            )?;
        }
        write!(f, "after: {}", self.after)
    }
}

impl Sample {
    fn take(daemon: &Process) -> io::Result<Self> {
        Ok(Self {
            resident: resident(std::slice::from_ref(daemon))?,
            descriptors: descriptors(daemon)?,
            threads: threads(daemon)?,
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

const SAY: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(resident: impl Iterator<Item = u64>, after: [usize; 2]) -> Watch {
        let sample = |resident, [descriptors, threads]: [usize; 2]| Sample {
            resident,
            descriptors,
            threads,
        };
        Watch {
            begin: Instant::now(),
            before: sample(1000, [20, 2]),
            after: sample(1000, after),
            samples: resident
                .map(|resident| sample(resident, [300, 2]))
                .collect(),
            said: Instant::now(),
        }
    }

    #[test]
    fn growth_is_a_failure_and_a_warm_up_is_none() {
        let steady = || (0..100).map(|n: u64| 5000 + n % 7 + 100 * n.min(20));
        for (watch, expected) in [
            (watch(steady(), [20, 2]), None),
            (
                watch((0..100).map(|n| 5000 + 40 * n), [20, 2]),
                Some("memory grew from 6480 to 8480 kB"),
            ),
            (
                watch(steady(), [21, 2]),
                Some("20 descriptors before, 21 after"),
            ),
            (watch(steady(), [20, 3]), Some("2 threads before, 3 after")),
        ] {
            assert_eq!(watch.failure().as_deref(), expected);
        }
    }
}
