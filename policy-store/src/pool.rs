//! Connections to one remote that are kept between calls. One that is not given back after a whole answer is closed.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::StoreError;

/// How long an unused connection is kept.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// A bounded number of connections. The one used last is used next.
pub(crate) struct Pool<C> {
    permits: Semaphore,
    idle: Mutex<Vec<Idle<C>>>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<C> Pool<C> {
    pub(crate) fn new(max_connections: usize) -> Self {
        Self {
            permits: Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
        }
    }

    /// Waits for the right to use a connection, and gives one that was kept, with how long it was unused.
    pub(crate) async fn take(&self) -> Result<(Lease<'_, C>, Option<(C, Duration)>), StoreError> {
        let permit = self.permits.acquire().await;
        let permit = permit.map_err(|_| StoreError::NotServing("closed".into()))?;
        let now = Instant::now();
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = idle.pop();
            // Those below are older still.
            let kept = kept.filter(|kept| now.saturating_duration_since(kept.since) < MAX_IDLE);
            if kept.is_none() {
                idle.clear();
            }
            kept
        };
        let kept = idle.map(|idle| (idle.connection, now.saturating_duration_since(idle.since)));
        Ok((
            Lease {
                pool: self,
                _permit: permit,
            },
            kept,
        ))
    }

    /// Closes what is kept: the remote has closed one, or does not answer.
    pub(crate) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }
}

impl<C> fmt::Debug for Pool<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// The right to use one connection.
pub(crate) struct Lease<'a, C> {
    pool: &'a Pool<C>,
    _permit: SemaphorePermit<'a>,
}

impl<C> Lease<'_, C> {
    /// Keeps a connection whose last answer came whole.
    pub(crate) fn keep(self, connection: C) {
        let mut idle = self
            .pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle {
            connection,
            since: Instant::now(),
        });
    }
}
