//! The wait for memory.

use std::{
    fmt,
    pin::Pin,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{Charge, Kind, MemoryBudget};

/// The wait for memory, in memory of its own: few wait, and then for long. When it is dropped its
/// place in the queue is given up.
pub(crate) struct Wait {
    taken: Pin<Box<dyn Future<Output = Option<Charge>> + Send + Sync>>,
    since: Instant,
}

impl Wait {
    pub(super) fn begin(budget: MemoryBudget, kind: Kind, bytes: usize) -> Self {
        let waiting = Waiting::begin(budget);
        let taken = Box::pin(async move {
            let budget = &waiting.0;
            let part = budget.part(kind);
            let permit = part.free.acquire_many(part.units_of(bytes)).await;
            // The semaphore is never closed.
            Some(budget.charge(kind, permit.ok()?))
        });
        Self {
            taken,
            since: Instant::now(),
        }
    }

    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Charge>> {
        self.taken.as_mut().poll(cx)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wait")
    }
}

/// Counts among those who wait, until it is dropped.
struct Waiting(MemoryBudget);

impl Waiting {
    fn begin(budget: MemoryBudget) -> Self {
        budget.0.waiting.fetch_add(1, Relaxed);
        budget.0.waited.fetch_add(1, Relaxed);
        Self(budget)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Relaxed);
    }
}
