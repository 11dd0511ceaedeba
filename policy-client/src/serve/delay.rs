//! The time that a server takes for an answer: a time, or a distribution of times.

use std::time::Duration;

use fastrand::Rng;
use policy_daemon::command_line::parse_duration;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Delay {
    Fixed(Duration),
    /// Each time in between is as likely.
    Between(Duration, Duration),
    /// Many short ones and a few long ones, with this mean: times of a server whose requests come independently.
    Exponential(Duration),
    /// Points of (quantile from 0 to 1, time), joined by straight lines; the last one is the longest time.
    Percentiles(Vec<(f64, Duration)>),
}

impl Delay {
    pub(crate) const NONE: Self = Self::Fixed(Duration::ZERO);

    /// `200ms`, `10ms..50ms`, `exp:20ms`, or percentiles: `p50=5ms,p99=1s`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(mean) = text.strip_prefix("exp:") {
            return parse_duration(mean).map(Self::Exponential);
        }
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (parse_duration(from)?, parse_duration(to)?);
            let is_range = from <= to;
            return is_range
                .then_some(Self::Between(from, to))
                .ok_or_else(|| format!("{text}: the shorter time comes first"));
        }
        if text.starts_with('p') {
            return Self::percentiles(text);
        }
        parse_duration(text).map(Self::Fixed)
    }

    fn percentiles(text: &str) -> Result<Self, String> {
        let mut points: Vec<(f64, Duration)> = Vec::new();
        for pair in text.split(',') {
            let invalid = || format!("'{pair}' is not a percentile and its time, as p99=1s");
            let (percentile, time) = pair.split_once('=').ok_or_else(invalid)?;
            let percentile = percentile.strip_prefix('p').ok_or_else(invalid)?;
            let percentile: f64 = percentile.parse().map_err(|_| invalid())?;
            let point = (percentile / 100.0, parse_duration(time)?);
            let last = points.last().copied().unwrap_or((0.0, Duration::ZERO));
            let is_next = point.0 <= 1.0 && point.0 > last.0 && point.1 >= last.1;
            if !is_next {
                return Err(format!("{text}: percentiles and times rise, up to p100"));
            }
            points.push(point);
        }
        Ok(Self::Percentiles(points))
    }

    /// A time of this distribution.
    pub(crate) fn draw(&self, chance: &mut Rng) -> Duration {
        match self {
            Self::Fixed(time) => *time,
            Self::Between(from, to) => *from + (*to - *from).mul_f64(chance.f64()),
            // 1 - f64() is never 0, so that the time has an end.
            Self::Exponential(mean) => mean.mul_f64(-(1.0 - chance.f64()).ln()),
            Self::Percentiles(points) => at(points, chance.f64()),
        }
    }

    /// The longest time, or nearly so.
    pub(crate) fn longest(&self) -> Duration {
        match self {
            Self::Fixed(time) | Self::Between(_, time) => *time,
            // Of a million requests one takes longer.
            Self::Exponential(mean) => *mean * 14,
            Self::Percentiles(points) => points.last().map_or(Duration::ZERO, |(_, time)| *time),
        }
    }
}

/// The time at a quantile.
fn at(points: &[(f64, Duration)], part: f64) -> Duration {
    let mut before = (0.0, Duration::ZERO);
    for point in points {
        if part <= point.0 {
            let between = (part - before.0) / (point.0 - before.0);
            return before.1 + (point.1 - before.1).mul_f64(between);
        }
        before = *point;
    }
    before.1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_delay_is_a_time_or_a_distribution() {
        for (text, delay) in [
            ("200ms", Delay::Fixed(200 * MS)),
            ("10ms..1s", Delay::Between(10 * MS, 1000 * MS)),
            ("exp:20ms", Delay::Exponential(20 * MS)),
            (
                "p50=5ms,p75=1s",
                Delay::Percentiles(vec![(0.5, 5 * MS), (0.75, 1000 * MS)]),
            ),
        ] {
            assert_eq!(Delay::parse(text), Ok(delay), "{text}");
        }
        for text in [
            "",
            "10",
            "20ms..10ms",
            "1s..",
            "exp:",
            "exp:1",
            "p50",
            "p50=",
            "px=1s",
            "p101=1s",
            "p99=1s,p50=2s",
            "p50=2s,p99=1s",
            "p50=1s,",
            "p0=1s",
        ] {
            assert!(Delay::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_that_are_drawn_are_distributed_as_was_said() {
        for (text, expected) in [
            ("7ms", [7.0, 7.0, 7.0]),
            ("10ms..20ms", [15.0, 19.0, 19.9]),
            ("exp:20ms", [13.9, 46.1, 92.1]),
            ("p50=5ms,p90=10ms,p99=100ms,p100=110ms", [5.0, 10.0, 100.0]),
        ] {
            let delay = Delay::parse(text).unwrap();
            let mut chance = Rng::with_seed(1);
            let mut drawn: Vec<_> = (0..100_000).map(|_| delay.draw(&mut chance)).collect();
            drawn.sort();
            for (place, expected) in [50_000, 90_000, 99_000].into_iter().zip(expected) {
                let found = drawn[place].as_secs_f64() * 1e3;
                let is_near = (found / expected - 1.0).abs() < 0.05;
                assert!(is_near, "{text}: {found} ms at {place}, not {expected}");
            }
            assert!(drawn[99_999] <= delay.longest(), "{text}");
        }
    }
}
