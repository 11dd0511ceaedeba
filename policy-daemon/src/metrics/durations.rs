//! Times by how long they are, as a histogram has them.

use std::time::Duration;

use super::{Counter, Histogram};

/// Times, counted by how long they are, from 100 us to 100 s: one thread writes, others read.
///
/// ```
/// use std::time::Duration;
/// use policy_daemon::metrics::Durations;
///
/// let workers = [Durations::default(), Durations::default()];
/// workers[0].add(Duration::from_micros(300));
/// workers[1].add(Duration::from_secs(200));
/// let sum = Durations::sum(workers.iter());
/// assert_eq!(sum.count(), 2);
/// assert_eq!(sum.quantile(0.5), Some(0.0005), "the bound above");
/// ```
#[derive(Debug, Default)]
pub struct Durations {
    /// One more than there are bounds, for those above the last one.
    counts: [Counter; BOUNDS.len() + 1],
    nanoseconds: Counter,
}

impl Durations {
    /// Counts a time.
    #[inline]
    pub fn add(&self, time: Duration) {
        let seconds = time.as_secs().saturating_mul(1_000_000_000);
        let nanoseconds = seconds.saturating_add(u64::from(time.subsec_nanos()));
        if let Some(count) = self.counts.get(bucket_of(nanoseconds)) {
            count.add(1);
        }
        self.nanoseconds.add(nanoseconds);
    }

    /// The sum of these, in seconds.
    #[must_use]
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Histogram {
        let count_at = |at: usize| {
            let counts = all.clone().filter_map(|times| times.counts.get(at));
            counts.map(Counter::get).sum::<u64>()
        };
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e9);
        Histogram {
            sum: all
                .clone()
                .map(|times| times.nanoseconds.get() as f64 / 1e9)
                .sum(),
            buckets: bounds.zip((0..).map(count_at)).collect(),
            above: count_at(BOUNDS.len()),
        }
    }
}

/// The upper bounds in nanoseconds: from a server on this machine to Postfix's own time-out of 100 s.
const BOUNDS: [u64; 16] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    100_000_000_000,
];

/// The number of bounds below a time, without a search: each is at least twice the one before, so that between two powers
/// of two there is one at most.
#[inline]
fn bucket_of(nanoseconds: u64) -> usize {
    let bits = (u64::BITS - nanoseconds.leading_zeros()) as usize;
    let below = BELOW.get(bits).copied().unwrap_or_default() as usize;
    let is_above = BOUNDS.get(below).is_some_and(|bound| nanoseconds > *bound);
    below + usize::from(is_above)
}

/// For numbers of so many bits: how many bounds are below all of them.
const BELOW: [u8; 65] = {
    let mut below = [0; 65];
    let mut bits = 1;
    while bits < 65 {
        let least = 1 << (bits - 1);
        let mut count = 0;
        while count < BOUNDS.len() && BOUNDS[count] < least {
            count += 1;
        }
        below[bits] = count as u8;
        bits += 1;
    }
    below
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let around = BOUNDS
            .iter()
            .flat_map(|bound| [bound - 1, *bound, bound + 1]);
        let powers = (0..64).flat_map(|bits| [(1 << bits) - 1, 1 << bits]);
        for time in around.chain(powers).chain([u64::MAX]) {
            let searched = BOUNDS.iter().position(|bound| time <= *bound);
            assert_eq!(bucket_of(time), searched.unwrap_or(BOUNDS.len()), "{time}");
        }
    }

    #[test]
    fn times_of_all_workers_are_counted_up_to_each_bound() {
        let workers = [Durations::default(), Durations::default()];
        for (worker, microseconds) in [(0, 0), (0, 100), (1, 101), (1, 250), (1, 200_000_000)] {
            workers[worker].add(Duration::from_micros(microseconds));
        }
        let sum = Durations::sum(workers.iter());
        assert_eq!(sum.count(), 5);
        assert!((sum.sum - 200.000_451).abs() < 1e-9, "{}", sum.sum);
        assert_eq!(sum.buckets[0], (0.0001, 2));
        assert_eq!(sum.buckets[1], (0.00025, 2));
        assert_eq!(sum.buckets[2], (0.0005, 0));
        assert_eq!(sum.above, 1, "the last is above all bounds");
    }
}
