use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::Client;

/// A pool's idle connections, a shelf of them for each worker: the one used last is used next, as a
/// rule by the worker whose runtime looks after it. Another one may take it over, which costs less than
/// one connection more.
#[derive(Debug)]
pub(crate) struct Shelves<Io>(Mutex<Vec<Vec<Idle<Io>>>>);

#[derive(Debug)]
pub(crate) struct Idle<Io> {
    pub(crate) client: Box<Client<Io>>,
    /// Whose runtime looks after it.
    pub(crate) worker: usize,
    pub(crate) since: Instant,
}

impl<Io> Default for Shelves<Io> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Io> Shelves<Io> {
    /// A connection for this worker: of its own, or else of the one who has most.
    pub(crate) fn take(&self, worker: usize) -> Option<Idle<Io>> {
        let mut shelves = self.lock();
        let own = shelves.get_mut(worker).and_then(Vec::pop);
        own.or_else(|| shelves.iter_mut().max_by_key(|shelf| shelf.len())?.pop())
    }

    pub(crate) fn put(&self, idle: Idle<Io>) {
        let mut shelves = self.lock();
        if shelves.len() <= idle.worker {
            shelves.resize_with(idle.worker + 1, Vec::new);
        }
        if let Some(shelf) = shelves.get_mut(idle.worker) {
            shelf.push(idle);
        }
    }

    /// Drops those that have been idle for as long as this.
    pub(crate) fn trim(&self, now: Instant, keep: Duration) {
        for shelf in &mut *self.lock() {
            shelf.retain(|idle| now.saturating_duration_since(idle.since) < keep);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Idle<Io>>>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
