//! Waiting for what another thread or process brings about.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits for a condition that another thread or process brings about; false after ten seconds.
///
/// Ten seconds is far more than anything here takes: it bounds a failure, it times nothing.
pub fn eventually(condition: impl FnMut() -> bool) -> bool {
    within(Duration::from_secs(10), condition)
}

/// Waits for a condition, at most `limit`; false when it did not come true.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
