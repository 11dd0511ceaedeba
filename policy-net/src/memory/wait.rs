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
            let units = budget.part(kind).units_of(bytes);
            // Whose share is used up is not in others' way. The semaphores are never closed.
            let share = match budget.share(kind) {
                Some(share) => Some(share.free.acquire_many(units).await.ok()?),
                None => None,
            };
            let permit = budget.part(kind).free.acquire_many(units).await.ok()?;
            Some(budget.charge(kind, permit, share))
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
        budget.parts.waiting.fetch_add(1, Relaxed);
        budget.parts.waited.fetch_add(1, Relaxed);
        Self(budget)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.parts.waiting.fetch_sub(1, Relaxed);
    }
}
