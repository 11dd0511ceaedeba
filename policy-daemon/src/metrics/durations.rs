//! Counters that one thread writes and others read: no request waits for a cache line of another worker.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A number that only its worker changes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, number: u64) {
        // No other thread writes, so that no locked instruction is needed.
        self.0
            .store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Times, counted by how long they are.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    /// One more than there are bounds, for those above the last one.
    counts: [Counter; BOUNDS.len() + 1],
    nanoseconds: Counter,
}

impl Durations {
    #[inline]
    pub(crate) fn add(&self, time: Duration) {
        let seconds = time.as_secs().saturating_mul(1_000_000_000);
        let nanoseconds = seconds.saturating_add(u64::from(time.subsec_nanos()));
        if let Some(count) = self.counts.get(bucket_of(nanoseconds)) {
            count.add(1);
        }
        self.nanoseconds.add(nanoseconds);
    }
}

/// The sum of several workers' times, as a histogram is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) seconds: f64,
    /// Those above the last bound among them.
    pub(crate) count: u64,
    /// Each bound in seconds, with the number of times between it and the one before.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// The sum of these.
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Durations> + Clone) -> Self {
        let count_at = |at: usize| {
            let counts = all.clone().filter_map(|times| times.counts.get(at));
            counts.map(Counter::get).sum::<u64>()
        };
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e9);
        let counts = (0..).map(count_at);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let counted = buckets.iter().map(|(_, count)| count).sum::<u64>();
        Self {
            seconds: all
                .clone()
                .map(|times| times.nanoseconds.get() as f64 / 1e9)
                .sum(),
            count: counted + count_at(BOUNDS.len()),
            buckets,
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
        let sum = Histogram::of(workers.iter());
        assert_eq!(sum.count, 5);
        assert!((sum.seconds - 200.000_451).abs() < 1e-9, "{}", sum.seconds);
        assert_eq!(sum.buckets[0], (0.0001, 2));
        assert_eq!(sum.buckets[1], (0.00025, 2));
        assert_eq!(sum.buckets[2], (0.0005, 0));
        let below = sum.buckets.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(below, 4, "the last is above all bounds");
    }
}
