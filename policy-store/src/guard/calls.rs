//! The calls of a remote, counted by how they ended.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::StoreError;

/// How many calls of a remote ended how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Calls {
    /// It has answered, also that it refuses something.
    pub answered: u64,
    /// It could not be reached, or the connection broke.
    pub failed: u64,
    /// It has not answered in time, or the caller gave up after half the deadline.
    pub timed_out: u64,
    /// It was not asked: the breaker is open.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    answered: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(super) fn ended(&self, error: Option<&StoreError>) {
        let counter = match error {
            Some(StoreError::TimedOut(_)) => &self.timed_out,
            Some(error) if error.is_outage() => &self.failed,
            _ => &self.answered,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> Calls {
        Calls {
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}
