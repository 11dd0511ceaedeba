//! A histogram as it is written and shown.

/// How many numbers there are up to each bound.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// The sum of the numbers.
    pub sum: f64,
    /// Each bound, with how many numbers are between it and the one before.
    pub buckets: Vec<(f64, u64)>,
    /// How many are above the last bound.
    pub above: u64,
}

impl Histogram {
    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counted: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        counted + self.above
    }

    /// The lowest bound that is not below such a part of the numbers: 0.5 for the half of them. None without numbers;
    /// infinite where the number is above all bounds.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.count();
        let mut left = part.clamp(0.0, 1.0) * count as f64;
        if count == 0 {
            return None;
        }
        for (bound, count) in &self.buckets {
            left -= *count as f64;
            if left <= 0.0 && *count > 0 {
                return Some(*bound);
            }
        }
        Some(f64::INFINITY)
    }

    /// What has come since then, where `before` is the same histogram at an earlier time.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.buckets.iter().map(|(_, count)| *count);
        let earlier = earlier.chain(std::iter::repeat(0));
        let buckets = self.buckets.iter().zip(earlier);
        Self {
            sum: self.sum - before.sum,
            buckets: buckets
                .map(|((bound, count), before)| (*bound, count.saturating_sub(before)))
                .collect(),
            above: self.above.saturating_sub(before.above),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: [u64; 3], above: u64) -> Histogram {
        let buckets = [1.0, 2.0, 5.0].into_iter().zip(counts).collect();
        Histogram {
            sum: 10.0,
            buckets,
            above,
        }
    }

    #[test]
    fn a_quantile_is_the_bound_above_it() {
        for (counts, above, part, expected) in [
            ([0, 0, 0], 0, 0.5, None),
            ([1, 0, 0], 0, 0.5, Some(1.0)),
            ([5, 5, 0], 0, 0.5, Some(1.0)),
            ([5, 5, 0], 0, 0.51, Some(2.0)),
            ([0, 0, 3], 0, 0.0, Some(5.0)),
            ([9, 0, 0], 1, 0.99, Some(f64::INFINITY)),
        ] {
            let found = histogram(counts, above).quantile(part);
            assert_eq!(found, expected, "{counts:?} {above} {part}");
        }
    }

    #[test]
    fn what_has_come_since_then_is_the_difference() {
        let (before, after) = (histogram([1, 1, 0], 0), histogram([4, 1, 2], 1));
        let since = after.since(&before);
        assert_eq!(since.buckets, [(1.0, 3), (2.0, 0), (5.0, 2)]);
        assert_eq!((since.above, since.count()), (1, 6));
        assert_eq!(after.since(&Histogram::default()).count(), after.count());
    }
}
