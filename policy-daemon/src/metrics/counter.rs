//! A counter that one thread writes and others read: no request waits for a cache line of another worker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread changes, and others read. A second thread that adds at the same time may have its addition
/// lost: each worker has counters of its own, which are added up when somebody asks.
///
/// ```
/// use policy_daemon::metrics::Counter;
///
/// let requests = Counter::default();
/// requests.add(2);
/// assert_eq!(requests.get(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number.
    #[inline]
    pub fn add(&self, number: u64) {
        // No other thread writes, so that no locked instruction is needed.
        self.0
            .store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
