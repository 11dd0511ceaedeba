//! The counters of requests to a mirror.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Compared;

/// What came of requests to a mirror. Its threads count here, beside the requests of clients.
#[derive(Debug, Default)]
pub(crate) struct MirrorCounts {
    compared: [AtomicU64; Compared::ALL.len()],
    /// Those for which there was no place in the queue.
    pub(super) dropped: AtomicU64,
}

impl MirrorCounts {
    pub(super) fn add(&self, compared: Compared) {
        if let Some(count) = self.compared.get(compared as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn get(&self, compared: Compared) -> u64 {
        let count = self.compared.get(compared as usize);
        count.map_or(0, |count| count.load(Relaxed))
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}
