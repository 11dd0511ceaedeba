//! Numbers by how large they are, within bounds that the user names.

use super::{Counter, Histogram};

/// Numbers, counted by how large they are: one thread writes, others read.
///
/// ```
/// use policy_daemon::metrics::Values;
///
/// let scores = Values::new(&[-1.0, 0.0, 5.0]);
/// for score in [-3.5, -1.0, 4.0, 9.0] {
///     scores.add(score);
/// }
/// let histogram = scores.histogram();
/// assert_eq!(histogram.buckets, [(-1.0, 2), (0.0, 0), (5.0, 1)]);
/// assert_eq!((histogram.above, histogram.sum), (1, 8.5));
/// ```
#[derive(Debug)]
pub struct Values {
    bounds: &'static [f64],
    /// One more than there are bounds, for those above the last one.
    counts: Box<[Counter]>,
    /// The sum as the bits of a double: counters add integers.
    sum: std::sync::atomic::AtomicU64,
}

impl Values {
    /// None so far. The bounds rise.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            sum: 0.into(),
        }
    }

    /// Counts a number. What is no number is left out.
    pub fn add(&self, value: f64) {
        use std::sync::atomic::Ordering::Relaxed;
        if value.is_nan() {
            return;
        }
        let below = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(below) {
            count.add(1);
        }
        let sum = f64::from_bits(self.sum.load(Relaxed)) + value;
        self.sum.store(sum.to_bits(), Relaxed);
    }

    /// What was counted.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        let counts = self.counts.iter().map(Counter::get);
        let sum = self.sum.load(std::sync::atomic::Ordering::Relaxed);
        Histogram {
            sum: f64::from_bits(sum),
            buckets: self.bounds.iter().copied().zip(counts).collect(),
            above: self.counts.last().map_or(0, Counter::get),
        }
    }
}
