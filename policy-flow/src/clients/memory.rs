//! The memory that requests may take: beyond it new ones wait.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// The memory that requests may take, of all workers together. Clones are the same.
///
/// It has two parts that do not take from each other. A request takes at once what its limit allows it, so that whatever
/// has begun can go on to its end, and nobody waits for memory that is held by somebody who waits.
///
/// ```
/// use policy_flow::{ClientOptions, Clients, PlaceLimits, Places, RequestMemory};
/// use std::time::Instant;
///
/// let memory = RequestMemory::new(Some(64 << 20));
/// let places = Places::new(PlaceLimits { all: 100, per_address: None, per_user: None });
/// let worker = || {
///     let clients = Clients::new(Instant::now(), ClientOptions::default(), places.clone());
///     clients.with_memory(memory.clone())
/// };
/// let (first, second) = (worker(), worker());
/// assert_eq!(first.memory() + second.memory(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct RequestMemory(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    usual: Part,
    large: Part,
    /// How many [`Clients`](super::Clients) take from it.
    users: AtomicUsize,
}

#[derive(Debug)]
struct Part {
    limit: usize,
    used: AtomicUsize,
}

impl RequestMemory {
    /// Of so many bytes: two thirds are for requests of a usual size, 8 KiB each, the rest for larger ones. One of each
    /// is let through in any case. Without a limit if there is none.
    #[must_use]
    pub fn new(bytes: Option<usize>) -> Self {
        let (usual, large) = match bytes {
            None => (usize::MAX, usize::MAX),
            Some(bytes) => (bytes / 3 * 2, bytes / 3),
        };
        Self(Arc::new(Parts {
            usual: Part::new(usual),
            large: Part::new(large),
            users: AtomicUsize::new(0),
        }))
    }

    /// Whether there is memory for one more request of a usual size: then it is taken.
    pub(crate) fn take_usual(&self) -> bool {
        self.0.usual.take(USUAL)
    }

    /// The same whether there is memory or not: for what has been read already, by each worker once at most.
    pub(crate) fn take_usual_anyway(&self) {
        self.0.usual.used.fetch_add(USUAL, SeqCst);
    }

    pub(crate) fn has_usual(&self) -> bool {
        self.0.usual.fits(self.0.usual.used.load(SeqCst), USUAL)
    }

    pub(crate) fn give_back_usual(&self) {
        self.0.usual.used.fetch_sub(USUAL, SeqCst);
    }

    pub(crate) fn take_large(&self, bytes: usize) -> bool {
        self.0.large.take(bytes)
    }

    pub(crate) fn give_back_large(&self, bytes: usize) {
        if bytes > 0 {
            self.0.large.used.fetch_sub(bytes, SeqCst);
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.0.usual.used.load(SeqCst) + self.0.large.used.load(SeqCst)
    }
}

/// The memory as the clients of one worker use it.
#[derive(Debug)]
pub(crate) struct UsedMemory(RequestMemory);

impl UsedMemory {
    pub(crate) fn new(memory: RequestMemory) -> Self {
        memory.0.users.fetch_add(1, SeqCst);
        Self(memory)
    }

    /// Whether other workers use it as well: then some of it may become free without a word.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.0.users.load(SeqCst) > 1
    }
}

impl Deref for UsedMemory {
    type Target = RequestMemory;

    fn deref(&self) -> &RequestMemory {
        &self.0
    }
}

impl Drop for UsedMemory {
    fn drop(&mut self) {
        self.0.0.users.fetch_sub(1, SeqCst);
    }
}

impl Part {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Whether so many bytes fit beside those that are used. Whatever the limit is, one is let through.
    const fn fits(&self, used: usize, bytes: usize) -> bool {
        used == 0 || used.saturating_add(bytes) <= self.limit
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |used| self.fits(used, bytes).then_some(used + bytes);
        self.used.fetch_update(SeqCst, SeqCst, more).is_ok()
    }
}

/// What a request of a usual size takes, with its reply.
pub(crate) const USUAL: usize = 8 * 1024;
