//! Numbers as an administrator reads them.

use std::time::Duration;

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    PerSecond,
    Seconds,
}

impl Unit {
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond if value == 0.0 => "0/s".to_owned(),
            Self::PerSecond if value < 10.0 => format!("{value:.1}/s"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Seconds => seconds(value),
        }
    }
}

/// A short time.
pub(super) fn seconds(value: f64) -> String {
    match value {
        value if value.is_infinite() => "longer".to_owned(),
        value if value >= 1.0 => format!("{value} s"),
        value if value >= 0.001 => format!("{} ms", value * 1e3),
        value if value > 0.0 => format!("{:.0} us", value * 1e6),
        _ => "0 s".to_owned(),
    }
}

/// A long time, in the largest units that it has.
pub(super) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_that_suits_them() {
        for (value, per_second, time) in [
            (0.0, "0/s", "0 s"),
            (0.0001, "0.0/s", "100 us"),
            (0.0025, "0.0/s", "2.5 ms"),
            (0.25, "0.2/s", "250 ms"),
            (2.5, "2.5/s", "2.5 s"),
            (1234.5, "1234/s", "1234.5 s"),
        ] {
            assert_eq!(Unit::PerSecond.show(value), per_second);
            assert_eq!(Unit::Seconds.show(value), time);
        }
        for (seconds, text) in [
            (5, "5 s"),
            (65, "1 min 5 s"),
            (3700, "1 h 1 min"),
            (100_000, "1 d 3 h"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
