//! The counts of a service at one time, for plots over time.

use super::Histogram;

/// What a service has done since its start.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Requests that were replied to.
    pub requests: u64,
    /// Requests that got no answer, or not the one that they should have got.
    pub errors: u64,
    /// How long requests took, in seconds.
    pub took: Histogram,
}

impl Sample {
    /// A sample.
    #[must_use]
    pub fn new(requests: u64, errors: u64, took: Histogram) -> Self {
        Self {
            requests,
            errors,
            took,
        }
    }
}
