//! The time that one attempt may take.

use std::time::Duration;

use crate::clock::{Span, Time};

/// How long one attempt may take: the smallest of the backend's own timeout, of what is left of the request's deadline,
/// and of the larger of 5 s and an equal share of that for each backend not yet asked.
///
/// So three hung backends leave time for a fourth, and the last one asked has all that is left, up to its own timeout:
/// that is what its administrator says an answer takes at most.
///
/// ```
/// use policy_flow::attempt_limit;
/// use std::time::Duration;
///
/// let seconds = Duration::from_secs;
/// assert_eq!(attempt_limit(seconds(30), seconds(90), 4), Duration::from_millis(22_500));
/// assert_eq!(attempt_limit(seconds(10), seconds(90), 4), seconds(10));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 4), seconds(5));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 1), seconds(12));
/// ```
#[must_use]
#[inline]
pub fn attempt_limit(timeout: Duration, left: Duration, unasked: usize) -> Duration {
    limit(timeout.into(), left.into(), unasked).duration()
}

#[inline]
pub(crate) fn limit(timeout: Span, left: Span, unasked: usize) -> Span {
    timeout
        .min(left.part(unasked).max(MIN_SHARE.into()))
        .min(left)
}

/// When one request began, and what it has spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) begin: Time,
    /// The longest that it may take in all.
    deadline: Span,
    /// When the first last resort was begun.
    resorted: Option<Time>,
}

impl Budget {
    pub(crate) const fn new(begin: Time, deadline: Span) -> Self {
        Self {
            begin,
            deadline,
            resorted: None,
        }
    }

    /// What is left of the deadline.
    pub(crate) const fn left(&self, now: Time) -> Span {
        self.deadline.saturating_sub(now.span_since(self.begin))
    }

    /// How long an attempt may take that begins now, with this many backends not yet asked, at a backend that is down
    /// and not due, when no other is left: those share a bound for all of them, each an equal part of what is left of it.
    pub(crate) fn last_resort(
        &mut self,
        now: Time,
        all: Span,
        timeout: Span,
        unasked: usize,
    ) -> Span {
        let spent = now.span_since(*self.resorted.get_or_insert(now));
        let left = all.saturating_sub(spent).min(self.left(now));
        timeout.min(left.part(unasked))
    }
}

/// A backend that answers at all answers within this time.
const MIN_SHARE: Duration = Duration::from_secs(5);
