//! The lines of `-l`, one for each request or attempt, and the values of peers in any line.

use std::time::Duration;

pub(super) mod classic;
mod escape;
pub(super) mod key_value;

#[cfg(test)]
mod tests;

pub(super) use escape::{Place, escape};

/// A time in milliseconds, with a tenth.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
