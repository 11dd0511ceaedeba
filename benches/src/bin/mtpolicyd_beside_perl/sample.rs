//! The figures of one round.

/// One round.
pub(crate) struct Sample {
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// Microseconds for a request.
    pub(crate) cpu: f64,
    /// Megabytes.
    pub(crate) memory: f64,
    pub(crate) failed: u64,
    pub(crate) served: usize,
}
