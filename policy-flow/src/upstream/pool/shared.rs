//! The workers of one process share these: the health of the backends, and how many connections each has.
//!
//! Each worker has a state machine of its own, which nobody else touches. With one worker nothing in here is waited
//! for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use policy_ha::{Backend, Balancer, Config, ConfigError};

/// What the workers share about the backends. Clones are the same.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Held for one decision at a time, which takes less than a microsecond.
    balancer: Mutex<Balancer>,
    backends: Box<[Arc<SharedBackend>]>,
    workers: Arc<[Worker]>,
}

/// One backend, whichever worker asks it.
#[derive(Debug, Default)]
pub(crate) struct SharedBackend {
    /// Permits that are taken: one for each connection, in use or idle, and for each one that is being opened.
    open: AtomicUsize,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// Requests that have waited for a permit.
    pub(crate) waited: AtomicU64,
    /// Its last failure was that it could not be connected to.
    pub(crate) unreachable: AtomicBool,
    /// How often, since it answered last, it closed the connection on a request and was not blamed.
    pub(crate) forgiven: AtomicU32,
    /// A bit for each worker that waits for a permit, the same for all beyond 64.
    wanted: AtomicU64,
    /// A bit for each worker that keeps idle connections.
    idle: AtomicU64,
    /// A bit for each worker that is asked to close one of those.
    shed: AtomicU64,
}

#[derive(Debug, Default)]
struct Worker {
    is_called: AtomicBool,
}

/// What attempts at one backend have come to, since it was listed first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Attempts that ended with an answer.
    pub answered: u64,
    /// Attempts that did not, whether or not the backend is to blame, but for those that were given up.
    pub failed: u64,
    /// Requests that have waited for a connection, since all that there may be were in use, or enough were being opened.
    pub waited: u64,
}

impl Shared {
    /// For this many workers, [`MAX_WORKERS`](crate::MAX_WORKERS) at most.
    ///
    /// # Errors
    ///
    /// As [`Balancer::new`].
    pub fn new(
        config: Config,
        backends: impl IntoIterator<Item = Backend>,
        workers: usize,
    ) -> Result<Self, ConfigError> {
        let balancer = Balancer::new(config, backends)?;
        let backends = balancer.ids().map(|_| Arc::default()).collect();
        let workers = (0..workers.clamp(1, MAX_WORKERS)).map(|_| Worker::default());
        Ok(Self::of(balancer, backends, workers.collect()))
    }

    /// For another group of backends of the same workers.
    ///
    /// # Errors
    ///
    /// As [`Balancer::new`].
    pub fn beside(
        &self,
        config: Config,
        backends: impl IntoIterator<Item = Backend>,
    ) -> Result<Self, ConfigError> {
        let balancer = Balancer::new(config, backends)?;
        let backends = balancer.ids().map(|_| Arc::default()).collect();
        Ok(Self::of(
            balancer,
            backends,
            Arc::clone(&self.inner.workers),
        ))
    }

    /// For a list that has changed: each backend comes with the index that it has here, or `None` if it is new. Those
    /// that stay keep their health, mode and counts.
    ///
    /// # Errors
    ///
    /// As [`Balancer::new`].
    pub fn renewed(
        &self,
        config: Config,
        backends: impl IntoIterator<Item = (Backend, Option<policy_ha::BackendId>)>,
    ) -> Result<Self, ConfigError> {
        let backends: Vec<_> = backends
            .into_iter()
            .take(Balancer::MAX_BACKENDS + 1)
            .collect();
        let shared = backends.iter().map(|(_, known)| {
            let old = known.and_then(|id| self.inner.backends.get(id.index()));
            old.map(Arc::clone).unwrap_or_default()
        });
        let shared = shared.collect();
        let balancer = self.balancer().renewed(config, backends)?;
        Ok(Self::of(balancer, shared, Arc::clone(&self.inner.workers)))
    }

    fn of(balancer: Balancer, backends: Box<[Arc<SharedBackend>]>, workers: Arc<[Worker]>) -> Self {
        Self {
            inner: Arc::new(Inner {
                balancer: Mutex::new(balancer),
                backends,
                workers,
            }),
        }
    }

    /// The balancer, to be looked at or to set a mode: not to be held while anything is waited for.
    pub fn balancer(&self) -> MutexGuard<'_, Balancer> {
        // The balancer does not panic; if it did, its state would still be whole.
        self.inner
            .balancer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come of the attempts at this backend.
    #[must_use]
    pub fn counts(&self, backend: policy_ha::BackendId) -> Counts {
        let backend = self.inner.backends.get(backend.index());
        backend.map_or_else(Counts::default, |backend| Counts {
            answered: backend.answered.load(Relaxed),
            failed: backend.failed.load(Relaxed),
            waited: backend.waited.load(Relaxed),
        })
    }

    /// How many connections this backend has, idle ones among them.
    #[must_use]
    pub fn open(&self, backend: policy_ha::BackendId) -> usize {
        let backend = self.inner.backends.get(backend.index());
        backend.map_or(0, |backend| backend.open())
    }

    pub(crate) fn backend(&self, index: usize) -> Option<&Arc<SharedBackend>> {
        self.inner.backends.get(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.backends.len()
    }

    /// How many workers there are, at least one.
    pub(crate) fn workers(&self) -> usize {
        self.inner.workers.len().max(1)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.inner.workers.len() > 1
    }

    /// Whether it is to be woken: it is not yet.
    pub(crate) fn call(&self, worker: usize) -> bool {
        let worker = self.inner.workers.get(worker);
        worker.is_some_and(|worker| !worker.is_called.swap(true, SeqCst))
    }

    /// It has been woken.
    pub(crate) fn called(&self, worker: usize) {
        if let Some(worker) = self.inner.workers.get(worker) {
            // Before it is looked what for: who calls it later wakes it again.
            worker.is_called.store(false, SeqCst);
        }
    }
}

impl SharedBackend {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A permit, if there are fewer than this.
    pub(crate) fn take(&self, limit: usize) -> bool {
        let more = |open| (open < limit).then_some(open + 1);
        self.open.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    pub(crate) fn give_back(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    /// This worker waits for a permit, or does not any more.
    pub(crate) fn want(&self, worker: usize, wants: bool) {
        set(&self.wanted, worker, wants);
    }

    /// A worker that waits for a permit, which is not this one.
    pub(crate) fn wanted_by(&self, not: usize) -> Option<usize> {
        other(self.wanted.load(SeqCst), not)
    }

    /// This worker keeps idle connections, or does not any more.
    pub(crate) fn set_keeping(&self, worker: usize, keeps: bool) {
        set(&self.idle, worker, keeps);
    }

    /// A worker that keeps idle connections, which is not this one: it is asked to close one.
    pub(crate) fn ask_to_shed(&self, not: usize) -> Option<usize> {
        let worker = other(self.idle.load(SeqCst), not)?;
        set(&self.shed, worker, true);
        Some(worker)
    }

    /// Whether this worker is to close an idle connection.
    pub(crate) fn is_to_shed(&self, worker: usize) -> bool {
        let bit = bit(worker);
        self.shed.load(SeqCst) & bit != 0 && self.shed.fetch_and(!bit, SeqCst) & bit != 0
    }
}

fn set(bits: &AtomicU64, worker: usize, value: bool) {
    let bit = bit(worker);
    // As a rule nothing changes: what others read is not written then.
    match (bits.load(Relaxed) & bit != 0, value) {
        (false, true) => _ = bits.fetch_or(bit, SeqCst),
        (true, false) => _ = bits.fetch_and(!bit, SeqCst),
        _ => {}
    }
}

fn other(bits: u64, not: usize) -> Option<usize> {
    let others = bits & !bit(not);
    // The next one in the circle, so that none is forgotten.
    let turned = others.rotate_right((not % MAX_WORKERS) as u32);
    (others != 0).then(|| (turned.trailing_zeros() as usize + not) % MAX_WORKERS)
}

const fn bit(worker: usize) -> u64 {
    1 << (worker % MAX_WORKERS)
}

/// The most workers that share: each has a bit in an atomic number.
pub const MAX_WORKERS: usize = u64::BITS as usize;
