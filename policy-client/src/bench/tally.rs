//! The counts and latencies of a measurement.

use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};

use super::judge::Verdict;

/// Counts of the measurement; the warm-up counts only as such.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) warm_up: u64,
    pub(crate) requests: u64,
    pub(crate) answers: u64,
    pub(crate) wrong: u64,
    pub(crate) by_default: u64,
    /// By [`Loss`].
    pub(crate) missing: [u64; Loss::ALL.len()],
    /// Sent a second time, since the server had closed the connection just then.
    pub(crate) repeated: u64,
    /// Answers with more bytes behind them.
    pub(crate) excess: u64,
    /// Answers that others than Postfix may not take.
    pub(crate) unusual: u64,
    pub(crate) connections: u64,
    /// Requests of an open loop that were sent more than a millisecond later than planned, since no connection was free.
    pub(crate) late: u64,
    pub(crate) latest: Duration,
}

/// The ways in which a request has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    TimedOut,
    Closed,
    Refused,
    Invalid,
    Unsent,
}

#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Of answers since the last look, the warm-up's as well, if somebody looks.
    pub(crate) recent: Option<Histogram<u64>>,
    pub(crate) last_answer: Option<Instant>,
}

impl Counts {
    pub(crate) fn all_missing(&self) -> u64 {
        self.missing.iter().sum()
    }
}

impl Loss {
    pub(crate) const ALL: [Self; 5] = [
        Self::TimedOut,
        Self::Closed,
        Self::Refused,
        Self::Invalid,
        Self::Unsent,
    ];

    /// Its name in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unsent => "unsent",
        }
    }
}

impl Tally {
    pub(crate) fn new(is_watched: bool) -> Result<Self, CreationError> {
        Ok(Self {
            counts: Counts::default(),
            latency: histogram()?,
            recent: is_watched.then(histogram).transpose()?,
            last_answer: None,
        })
    }

    pub(crate) fn begun(&mut self, is_measured: bool, late: Duration) {
        if is_measured {
            self.counts.requests += 1;
            self.counts.late += u64::from(late > PUNCTUAL);
            self.counts.latest = self.counts.latest.max(late);
        } else {
            self.counts.warm_up += 1;
        }
    }

    pub(crate) fn answered(
        &mut self,
        is_measured: bool,
        verdict: Verdict,
        now: Instant,
        latency: Duration,
    ) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(recent) = &mut self.recent {
            recent.saturating_record(nanos);
        }
        if is_measured {
            self.latency.saturating_record(nanos);
            self.counts.answers += 1;
            self.counts.wrong += u64::from(verdict.is_wrong);
            self.counts.by_default += u64::from(verdict.is_default);
            self.last_answer = Some(now);
        }
    }

    pub(crate) fn lost(&mut self, loss: Loss, count: u64) {
        self.counts.missing[loss as usize] += count;
    }
}

/// Latencies of 1 ns to an hour with three digits: some 260 KB, however many there are.
fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
}

const PUNCTUAL: Duration = Duration::from_millis(1);
