//! The system's clock in milliseconds, for what outlives a process or is shared by hosts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 if the clock is before that.
pub(crate) fn now_ms() -> u64 {
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// A duration in whole milliseconds, at most those of 2^62: more would not fit beside a time of day.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .min(1 << 62)
}

/// When something ends that lasts so long from `now` on; never earlier than that.
pub(crate) fn expiry_ms(now: u64, ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| now.saturating_add(millis(ttl).max(1)).min(i64::MAX as u64))
}
