//! Several measured in turns.

use std::time::{Duration, Instant};

/// Odd, so that the median is one of them.
const ROUNDS: usize = 101;

/// Nanoseconds per unit of each contestant, round by round.
pub(crate) struct Contest<'a> {
    contestants: Vec<(String, Measure<'a>)>,
    times: Vec<Vec<f64>>,
}

type Measure<'a> = Box<dyn FnMut() -> (Duration, usize) + 'a>;

impl<'a> Contest<'a> {
    pub(crate) fn new() -> Self {
        Self {
            contestants: Vec::new(),
            times: Vec::new(),
        }
    }

    /// One more contestant: `work` does so many units with what `prepare` makes, which is not timed.
    pub(crate) fn enter<T>(
        &mut self,
        name: impl Into<String>,
        units: usize,
        mut prepare: impl FnMut() -> T + 'a,
        mut work: impl FnMut(&mut T) + 'a,
    ) {
        let measure = move || {
            let mut prepared = prepare();
            let begin = Instant::now();
            work(&mut prepared);
            (begin.elapsed(), units)
        };
        self.contestants.push((name.into(), Box::new(measure)));
        self.times.push(Vec::new());
    }

    /// Lets them all run in each round, and another one first each time.
    pub(crate) fn run(mut self) -> Self {
        let count = self.contestants.len();
        for round in 0..=ROUNDS {
            for turn in 0..count {
                let index = (round + turn) % count;
                let (time, units) = (self.contestants[index].1)();
                // The first round warms up.
                if round > 0 {
                    self.times[index].push(time.as_nanos() as f64 / units as f64);
                }
            }
        }
        self
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.contestants.iter().map(|(name, _)| name.as_str())
    }

    /// Nanoseconds per unit.
    pub(crate) fn time(&self, name: &str) -> f64 {
        median(self.times_of(name).to_vec())
    }

    /// How many times as long as the other.
    pub(crate) fn ratio(&self, name: &str, to: &str) -> f64 {
        let pairs = self.times_of(name).iter().zip(self.times_of(to));
        median(pairs.map(|(time, other)| time / other).collect())
    }

    /// The same of what is left of each without another: `[time, what is not its own]`.
    pub(crate) fn ratio_of_shares(&self, [name, bare]: [&str; 2], to: [&str; 2]) -> f64 {
        let share = |name, bare| {
            let pairs = self.times_of(name).iter().zip(self.times_of(bare));
            pairs.map(|(time, bare)| time - bare)
        };
        let pairs = share(name, bare).zip(share(to[0], to[1]));
        median(pairs.map(|(time, other)| time / other).collect())
    }

    fn times_of(&self, name: &str) -> &[f64] {
        let index = self.names().position(|known| known == name);
        &self.times[index.expect("a contestant")]
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
