use std::time::Duration;

use tokio::time::Instant;

use crate::Client;

/// A pool's idle connections, a shelf of them for each worker: the one used last is used next, as a
/// rule by the worker whose runtime looks after it. Another one may take it over, which costs less than
/// one connection more.
#[derive(Debug)]
pub(crate) struct Shelves<Io>(Vec<Vec<Idle<Io>>>);

#[derive(Debug)]
pub(crate) struct Idle<Io> {
    pub(crate) client: Box<Client<Io>>,
    /// Whose runtime looks after it.
    pub(crate) worker: usize,
    pub(crate) since: Instant,
}

impl<Io> Default for Shelves<Io> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Io> Shelves<Io> {
    /// A connection for this worker: of its own, or else of the one who has most.
    pub(crate) fn take(&mut self, worker: usize) -> Option<Idle<Io>> {
        let own = self.0.get_mut(worker).and_then(Vec::pop);
        own.or_else(|| self.0.iter_mut().max_by_key(|shelf| shelf.len())?.pop())
    }

    pub(crate) fn put(&mut self, idle: Idle<Io>) {
        if self.0.len() <= idle.worker {
            self.0.resize_with(idle.worker + 1, Vec::new);
        }
        if let Some(shelf) = self.0.get_mut(idle.worker) {
            shelf.push(idle);
        }
    }

    /// Takes those that have been idle for as long as this.
    pub(crate) fn take_old(&mut self, now: Instant, keep: Duration) -> Vec<Idle<Io>> {
        let is_old = |idle: &mut Idle<Io>| now.saturating_duration_since(idle.since) >= keep;
        let shelves = self.0.iter_mut();
        shelves
            .flat_map(|shelf| shelf.extract_if(.., is_old))
            .collect()
    }
}
