//! The last quarter of an hour, for the plots: a sample every ten seconds.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::metrics::sample::Sample;

/// The samples of the last quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<(Instant, Sample)>>);

/// What happened between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// A second.
    pub(super) requests: f64,
    /// A second.
    pub(super) errors: f64,
    /// Seconds; none without requests.
    pub(super) half: Option<f64>,
    pub(super) slowest: Option<f64>,
}

impl History {
    /// Adds a sample that was taken at a time. The oldest one goes if there are too many.
    pub(crate) fn add(&self, now: Instant, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, sample));
        if samples.len() > MAX {
            samples.pop_front();
        }
    }

    pub(super) fn points(&self) -> Vec<Point> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = samples.iter().zip(samples.iter().skip(1));
        pairs.map(|(before, after)| point(before, after)).collect()
    }
}

fn point((begin, before): &(Instant, Sample), (end, after): &(Instant, Sample)) -> Point {
    let seconds = end.saturating_duration_since(*begin).as_secs_f64().max(0.1);
    let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
    let took = after.took.since(&before.took);
    // What is above all bounds is at the last one in a plot.
    let most = took.buckets.last().map_or(0.0, |(bound, _)| *bound);
    let quantile = |part| took.quantile(part).map(|time| time.min(most));
    Point {
        requests: rate(before.requests, after.requests),
        errors: rate(before.errors, after.errors),
        half: quantile(0.5),
        slowest: quantile(0.99),
    }
}

/// The time between two samples.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// A quarter of an hour.
const MAX: usize = 91;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Histogram;

    #[test]
    fn a_point_is_what_came_between_two_samples() {
        let (history, start) = (History::default(), Instant::now());
        assert_eq!(history.points(), []);
        let took = |fast, slow| Histogram {
            sum: 0.0,
            buckets: vec![(0.001, fast), (0.1, slow)],
            above: 0,
        };
        history.add(start, Sample::new(100, 1, took(99, 1)));
        history.add(start + INTERVAL, Sample::new(120, 6, took(118, 2)));
        history.add(start + 2 * INTERVAL, Sample::new(120, 6, took(118, 2)));
        let expected = Point {
            requests: 2.0,
            errors: 0.5,
            half: Some(0.001),
            slowest: Some(0.1),
        };
        assert_eq!(history.points(), [expected, Point::default()]);
    }

    #[test]
    fn old_samples_go() {
        let history = History::default();
        for _ in 0..1000 {
            history.add(Instant::now(), Sample::default());
        }
        assert_eq!(history.points().len(), MAX - 1);
    }
}
