use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What attempts at one service have come to, since it was listed first.
///
/// ```
/// use policy_net::Counts;
///
/// let before = Counts::default();
/// assert_eq!((before.answered, before.failed), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Attempts that ended with an answer.
    pub answered: u64,
    /// Attempts that did not, whoever is to blame, but for those that were given up.
    pub failed: u64,
}

/// What is remembered of one service beside its health. It costs an addition a request.
#[derive(Debug, Default)]
pub(crate) struct Record {
    answered: AtomicU64,
    failed: AtomicU64,
    /// Its last failure was that it could not be connected to.
    unreachable: AtomicBool,
}

impl Record {
    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// An attempt failed by its fault, and whether that had a connection.
    pub(crate) fn at_fault(&self, connected: bool) {
        self.unreachable.store(!connected, Relaxed);
    }

    pub(crate) fn was_unreachable(&self) -> bool {
        self.unreachable.load(Relaxed)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}
