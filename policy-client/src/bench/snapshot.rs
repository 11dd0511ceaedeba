//! The state of a measurement at one time.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{
    format::{count, nanoseconds},
    tally::Counts,
};

/// How a measurement stands.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Since its begin, and since the snapshot before.
    pub(crate) elapsed: Duration,
    pub(crate) period: Duration,
    /// The part that is done, where that is known.
    pub(crate) done: Option<f64>,
    pub(crate) is_warm_up: bool,
    pub(crate) counts: Counts,
    /// In nanoseconds: of the period, and of the measurement.
    pub(crate) recent: Histogram<u64>,
    pub(crate) latency: Histogram<u64>,
}

impl Snapshot {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.recent.len() as f64 / self.period.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The line about it.
    pub(super) fn line(&self) -> String {
        let recent = |part| nanoseconds(self.recent.value_at_quantile(part));
        let counts = &self.counts;
        let mut line = format!(
            "{:7.1} s  {:>9}/s  p50 {:>7}  p99 {:>7}  max {:>7}",
            self.elapsed.as_secs_f64(),
            count(self.rate().round() as u64),
            recent(0.5),
            recent(0.99),
            recent(1.0),
        );
        let others = [
            ("missing", counts.all_missing()),
            ("wrong", counts.wrong),
            ("default", counts.by_default),
        ];
        for (name, number) in others.iter().filter(|(_, number)| *number > 0) {
            line += &format!("  {name} {}", count(*number));
        }
        if self.is_warm_up {
            line += "  (warm-up)";
        }
        line
    }
}
