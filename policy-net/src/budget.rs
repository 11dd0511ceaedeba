use std::time::Duration;

/// How long one attempt may take: the smallest of the service's own timeout, of what is left of the
/// request's deadline, and of the larger of 5 s and an equal share of that for each service not yet
/// asked.
///
/// So three hung services leave time for a fourth, and the last one asked may use all that is left.
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
    let share = left / u32::try_from(unasked.max(1)).unwrap_or(u32::MAX);
    timeout.min(share.max(LEAST_SHARE)).min(left)
}

/// A server that answers at all answers within this time.
const LEAST_SHARE: Duration = Duration::from_secs(5);
