use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::verdict::Worth;

/// What many requests came to.
#[derive(Debug, Default)]
pub(crate) struct Share {
    all: usize,
    answered: usize,
    default: usize,
    nothing: usize,
    wrong: usize,
    /// Asked twice by the client.
    twice: usize,
    median: Duration,
    /// One in a hundred is slower.
    p99: Duration,
    slowest: Duration,
}

impl Share {
    pub(crate) const HEAD: &str = "| | requests | answered by a service | default action | 451 | wrong | \
        second try needed | median ms | p99 ms | slowest s | blamed |\n\
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |";

    /// Of what each came to, after how many tries and how long.
    pub(crate) fn of(requests: &[(Worth, usize, Duration)]) -> Self {
        let mut times: Vec<_> = requests.iter().map(|(.., time)| *time).collect();
        times.sort_unstable();
        let Some(&slowest) = times.last() else {
            return Self::default();
        };
        let count = |worth| requests.iter().filter(|(one, ..)| *one == worth).count();
        Self {
            all: times.len(),
            answered: count(Worth::Answer),
            default: count(Worth::Default),
            nothing: count(Worth::Nothing),
            wrong: count(Worth::Wrong),
            twice: requests.iter().filter(|(_, tries, _)| *tries > 1).count(),
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            slowest,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "all": self.all,
            "answered": self.answered,
            "default": self.default,
            "nothing": self.nothing,
            "wrong": self.wrong,
            "second_try": self.twice,
            "median_seconds": self.median.as_secs_f64(),
            "p99_seconds": self.p99.as_secs_f64(),
            "slowest_seconds": self.slowest.as_secs_f64(),
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let Self {
            all,
            answered,
            default,
            nothing,
            wrong,
            twice,
            ..
        } = self;
        write!(
            f,
            "{all} | {answered} | {default} | {nothing} | {wrong} | {twice}"
        )?;
        write!(f, " | {:.1} | {:.1}", millis(self.median), millis(self.p99))?;
        write!(f, " | {:.2}", self.slowest.as_secs_f64())
    }
}
