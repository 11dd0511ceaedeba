//! The time that a backend has for what no request waits for.

use std::time::Duration;

/// How long an attempt waits for an address until the next one is tried as well (RFC 8305, section 5).
pub(super) const RACE_DELAY: Duration = Duration::from_millis(250);
/// How soon a backend that is not overrun has accepted a connection: one that is slow to answer is not to keep others
/// from being opened.
pub(super) const ACCEPTED: Duration = Duration::from_millis(20);
/// How long a backend may take for the blank line after its answer.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// How long a new connection waits for its first answer until idle ones are closed for it: a server may serve as many
/// connections as it has processes, and keep one for each that is idle.
pub(super) const CROWDED: Duration = Duration::from_secs(1);
/// How soon a new connection is answered when idle ones have been closed for it, if those had what it waited for.
pub(super) const SERVED: Duration = Duration::from_millis(500);
/// How long it is believed that a backend serves no more connections than that.
pub(super) const LEARNED: Duration = Duration::from_secs(60);
/// How long it is remembered that an answer took long.
pub(super) const OF_LATE: Duration = Duration::from_secs(60);
/// How late a timer rings where this process did not just run a little late, but stood still.
pub(super) const LATE: Duration = Duration::from_millis(100);
/// How soon a UNIX socket whose queue is full is tried again.
pub(super) const FULL_PAUSE: Duration = Duration::from_millis(10);
