use std::time::Duration;

use tokio::time::Instant;

use crate::UpstreamOptions;

/// How long one attempt may take: the smallest of the service's own timeout, of what is left of the
/// request's deadline, and of the larger of 5 s and an equal share of that for each service not yet
/// asked.
///
/// So three hung services leave time for a fourth, and the last one asked has all that is left, up to
/// its own timeout: that is what its administrator says an answer takes at most.
///
/// ```
/// use policy_net::attempt_limit;
/// use std::time::Duration;
///
/// let seconds = Duration::from_secs;
/// assert_eq!(attempt_limit(seconds(30), seconds(90), 4), Duration::from_millis(22_500));
/// assert_eq!(attempt_limit(seconds(10), seconds(90), 4), seconds(10));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 4), seconds(5));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 1), seconds(12));
/// ```
#[must_use]
pub fn attempt_limit(timeout: Duration, left: Duration, unasked: usize) -> Duration {
    timeout.min(share(left, unasked).max(LEAST_SHARE)).min(left)
}

/// What one request may spend, and has spent.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    options: &'a UpstreamOptions,
    begin: Instant,
    /// When the first last resort was begun.
    resorted: Option<Instant>,
}

impl<'a> Budget<'a> {
    pub(crate) const fn new(begin: Instant, options: &'a UpstreamOptions) -> Self {
        Self {
            options,
            begin,
            resorted: None,
        }
    }

    /// What is left of the deadline.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        let spent = now.saturating_duration_since(self.begin);
        self.options.deadline.saturating_sub(spent)
    }

    /// How long an attempt may take that begins now, with this many services not yet asked, at a service
    /// that is down and not due, when no other is left: those share their own bound, each an equal part of
    /// what is left of it.
    pub(crate) fn last_resort(
        &mut self,
        now: Instant,
        timeout: Duration,
        unasked: usize,
    ) -> Duration {
        let spent = now.saturating_duration_since(*self.resorted.get_or_insert(now));
        let left = self
            .options
            .last_resort
            .saturating_sub(spent)
            .min(self.left(now));
        timeout.min(share(left, unasked))
    }
}

fn share(left: Duration, unasked: usize) -> Duration {
    left / u32::try_from(unasked.max(1)).unwrap_or(u32::MAX)
}

/// A server that answers at all answers within this time.
const LEAST_SHARE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Some time up to two minutes, nothing and for ever among them.
    fn time() -> impl Strategy<Value = Duration> {
        prop_oneof![
            8 => (0..120_000_u64).prop_map(Duration::from_millis),
            1 => Just(Duration::ZERO),
            1 => Just(Duration::MAX),
        ]
    }

    fn options(deadline: Duration, last_resort: Duration) -> UpstreamOptions {
        UpstreamOptions {
            deadline,
            last_resort,
            ..UpstreamOptions::default()
        }
    }

    proptest! {
        #[test]
        fn no_attempt_exceeds_what_it_may_take(
            (deadline, last_resort) in (time(), time()),
            // Of each service: its time-out, whether it is a last resort, and the part of its limit
            // that it takes.
            services in prop::collection::vec((time(), any::<bool>(), 0..=4_u32), 1..=64),
        ) {
            let begin = Instant::now();
            let mut now = begin;
            let options = options(deadline, last_resort);
            let mut budget = Budget::new(begin, &options);
            let mut resorted = Duration::ZERO;
            for (asked, (timeout, is_last_resort, part)) in services.iter().enumerate() {
                let unasked = services.len() - asked;
                let limit = match is_last_resort {
                    true => budget.last_resort(now, *timeout, unasked),
                    false => attempt_limit(*timeout, budget.left(now), unasked),
                };
                prop_assert!(limit <= *timeout);
                prop_assert!(limit <= deadline.saturating_sub(now - begin));
                let left = budget.left(now) / u32::try_from(unasked).unwrap();
                if !is_last_resort {
                    prop_assert!(limit >= left.min(*timeout), "its share is its own");
                }
                // A clock that can tell the end.
                let Some(end) = now.checked_add(limit / 4 * *part) else {
                    break;
                };
                if *is_last_resort {
                    resorted += end - now;
                }
                now = end;
            }
            prop_assert!(now - begin <= deadline);
            // Where other attempts come between, these use the bound up as well.
            prop_assert!(resorted <= last_resort);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn last_resorts_share_their_bound_and_what_one_does_not_need_goes_to_the_others() {
        let ms = Duration::from_millis;
        let begin = Instant::now();
        let options = options(ms(90_000), ms(3_000));
        let mut budget = Budget::new(begin, &options);
        // It counts from the first last resort on, not from the request's beginning.
        let now = begin + ms(20_000);
        let mut resort =
            |after, timeout, unasked| budget.last_resort(now + ms(after), ms(timeout), unasked);
        assert_eq!(resort(0, 10_000, 3), ms(1_000));
        assert_eq!(resort(1_000, 10_000, 2), ms(1_000));
        assert_eq!(resort(1_000, 10_000, 1), ms(2_000), "one was refused");
        assert_eq!(resort(1_000, 500, 1), ms(500));
        assert_eq!(resort(3_000, 10_000, 1), ms(0));
    }

    #[tokio::test(start_paused = true)]
    async fn last_resorts_do_not_exceed_the_deadline() {
        let s = Duration::from_secs;
        let now = Instant::now();
        for (deadline, last_resort, limit) in [
            (s(90), s(0), s(0)),
            (s(90), s(90), s(45)),
            (s(2), s(90), s(1)),
            (Duration::MAX, Duration::MAX, s(60)),
        ] {
            let options = options(deadline, last_resort);
            let mut budget = Budget::new(now, &options);
            assert_eq!(budget.last_resort(now, s(60), 2), limit);
        }
    }
}
