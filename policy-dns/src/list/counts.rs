//! The results of a list's checks, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{ListResult, Skipped};

/// How many checks of a list had which result, since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListCounts {
    /// The subject is listed.
    pub listed: u64,
    /// It is not.
    pub not_listed: u64,
    /// The list did not tell.
    pub errors: u64,
    /// The list was not asked: it is dead, fails its test, or has had too many errors in a row.
    pub skipped: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    listed: AtomicU64,
    not_listed: AtomicU64,
    errors: AtomicU64,
    skipped: AtomicU64,
}

impl Counters {
    /// Counts a result, unless the list is for other subjects.
    pub(super) fn count(&self, result: &ListResult) {
        let counter = match result {
            ListResult::Listed(_) => &self.listed,
            ListResult::NotListed => &self.not_listed,
            ListResult::Error(_) => &self.errors,
            ListResult::Skipped(Skipped::OtherKind) => return,
            ListResult::Skipped(_) => &self.skipped,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> ListCounts {
        ListCounts {
            listed: self.listed.load(Relaxed),
            not_listed: self.not_listed.load(Relaxed),
            errors: self.errors.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
        }
    }
}
