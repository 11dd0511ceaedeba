//! Counts and times of requests, in bounded memory.

use std::{
    fmt,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{exchange::Exchange, status::Status};

/// What has been measured so far.
#[derive(Debug)]
pub(crate) struct Measured {
    begin: Instant,
    /// Microseconds until the answer, of those that were answered.
    times: Option<Histogram<u64>>,
    answered: u64,
    unanswered: u64,
    is_interrupted: bool,
    /// The status to end with so far.
    pub(crate) status: Status,
}

impl Measured {
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            // Two digits up to a day: some hundred kilobytes.
            times: Histogram::new_with_bounds(1, MAX_MICROSECONDS, 2).ok(),
            answered: 0,
            unanswered: 0,
            is_interrupted: false,
            status: Status::Success,
        }
    }

    pub(crate) fn add(&mut self, exchange: &Exchange) {
        self.record(exchange.answer.is_ok(), exchange.elapsed);
    }

    pub(crate) fn record(&mut self, is_answered: bool, elapsed: Duration) {
        if !is_answered {
            self.unanswered += 1;
            return;
        }
        self.answered += 1;
        if let Some(times) = &mut self.times {
            let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            times.saturating_record(microseconds.max(1));
        }
    }

    pub(crate) const fn answered(&self) -> u64 {
        self.answered
    }

    pub(crate) const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Notes that the program was ended by a signal.
    pub(crate) const fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    pub(crate) const fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// The time within which this part of the answers came, in milliseconds; `None` without an answer.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let times = self.times.as_ref().filter(|_| self.answered > 0)?;
        Some(times.value_at_quantile(part) as f64 / 1000.0)
    }

    /// The times, in words.
    pub(crate) fn times(&self) -> String {
        let times = [(0.5, "median"), (0.99, "99 %"), (1.0, "at most")];
        let times = times.map(|(part, name)| {
            let time = self.quantile(part);
            time.map(|time| format!("{name} {time:.1} ms"))
        });
        let times: Vec<_> = times.into_iter().flatten().collect();
        times.join(", ")
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.elapsed().as_secs_f64();
        write!(
            f,
            "{} answered, {} without an answer in {elapsed:.1} s",
            self.answered, self.unanswered
        )?;
        if self.answered > 0 {
            write!(f, ": {}", self.times())?;
        }
        if self.is_interrupted {
            f.write_str(" (interrupted)")?;
        }
        Ok(())
    }
}

const MAX_MICROSECONDS: u64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_those_that_were_recorded() {
        let mut measured = Measured::new();
        assert_eq!(measured.quantile(0.5), None);
        for milliseconds in 1..=100 {
            measured.record(true, Duration::from_millis(milliseconds));
        }
        measured.record(false, Duration::from_secs(1000));
        for (part, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let got = measured.quantile(part).unwrap();
            assert!((got - expected).abs() < expected / 50.0, "{part}: {got}");
        }
        assert_eq!((measured.answered(), measured.unanswered()), (100, 1));
        let said = measured.to_string();
        assert!(
            said.starts_with("100 answered, 1 without an answer in "),
            "{said}"
        );
    }
}
