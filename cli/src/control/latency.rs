//! Quantiles of times that were counted in buckets.

use crate::metrics::Histogram;

/// The bound of the bucket that holds this part of the times, in seconds; `None` where there is no time.
pub(super) fn quantile(times: &Histogram, part: f64) -> Option<f64> {
    if times.count == 0 {
        return None;
    }
    let rank = (times.count as f64 * part).ceil().max(1.0);
    let mut below = 0;
    for (bound, count) in &times.buckets {
        below += count;
        if below as f64 >= rank {
            return Some(*bound);
        }
    }
    Some(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(counts: [u64; 3], above: u64) -> Histogram {
        let bounds = [0.001, 0.01, 0.1];
        Histogram {
            seconds: 0.0,
            count: counts.iter().sum::<u64>() + above,
            buckets: bounds.into_iter().zip(counts).collect(),
        }
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_holds_it() {
        for (counts, above, part, bound) in [
            ([0, 0, 0], 0, 0.5, None),
            ([1, 0, 0], 0, 0.5, Some(0.001)),
            ([50, 50, 0], 0, 0.5, Some(0.001)),
            ([49, 51, 0], 0, 0.5, Some(0.01)),
            ([98, 1, 1], 0, 0.99, Some(0.01)),
            ([98, 0, 1], 1, 0.99, Some(0.1)),
            ([0, 0, 0], 1, 0.5, Some(f64::INFINITY)),
        ] {
            assert_eq!(
                quantile(&times(counts, above), part),
                bound,
                "{counts:?} {part}"
            );
        }
    }
}
