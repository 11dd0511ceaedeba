//! One client connection, as far as others need to know of it: whether it is idle, since when, and how it is
//! asked to leave.

use std::{
    array,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll, Waker},
};

use rustix::time::{ClockId, clock_gettime};

use crate::admission::Client;

/// What is known of a connection that is served, or room for that of another one.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Since when it is idle, in nanoseconds of the system's monotonic clock, or one of the constants below.
    state: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    client: Option<Client>,
    /// What to wake when it is to leave.
    waker: Option<Waker>,
}

/// A connection's slot, which is one of many that are side by side in memory: each for itself would cost twice as much.
#[derive(Clone, Debug)]
pub(crate) struct SlotHandle {
    chunk: Arc<Chunk>,
    index: u32,
}

#[derive(Debug)]
pub(crate) struct Chunk([Slot; CHUNK]);

impl Slot {
    /// A client has connected, and is idle.
    pub(crate) fn open(&self, client: Client, now: u64) {
        self.inner().client = Some(client);
        self.state.store(now, Relaxed);
    }

    /// Its connection has ended: nobody evicts it any more. Whose it was, and whether somebody has.
    pub(crate) fn close(&self) -> (Option<Client>, bool) {
        let was_evicted = self.state.swap(BUSY, AcqRel) == EVICTED;
        let Inner { client, waker } = std::mem::take(&mut *self.inner());
        drop(waker);
        (client, was_evicted)
    }

    /// A byte of a request has come.
    pub(crate) fn begin(&self) {
        let since = self.state.load(Relaxed);
        if is_time(since) {
            // If it is to leave by now, it does so after that request.
            _ = self.state.compare_exchange(since, BUSY, AcqRel, Relaxed);
        }
    }

    /// It is idle: whether it is to leave. Else whoever polls is woken when it is.
    fn poll_leave(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner();
        let replaced = match &inner.waker {
            Some(known) if known.will_wake(cx.waker()) => None,
            _ => inner.waker.replace(cx.waker().clone()),
        };
        drop(inner);
        drop(replaced);
        // The state is looked at after the waker is there: whoever changes it wakes that one later.
        match self.state.compare_exchange(BUSY, now(), AcqRel, Acquire) {
            Ok(_) => Poll::Pending,
            Err(state) if is_time(state) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    /// Since when it is idle, if it is.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        Some(self.state.load(Relaxed)).filter(|state| is_time(*state))
    }

    /// Takes away its place if it has been idle since then, and says whose it was. It is to be
    /// [woken](Self::wake).
    pub(crate) fn evict(&self, since: u64) -> Option<Client> {
        let evicted = self.state.compare_exchange(since, EVICTED, AcqRel, Relaxed);
        evicted.ok().and_then(|_| self.client())
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.state.load(Acquire) == EVICTED
    }

    /// Has it leave as soon as it is between two requests. It is to be [woken](Self::wake).
    pub(crate) fn drain(&self) {
        let drained = |state| (state < DRAINED).then_some(DRAINED);
        _ = self.state.fetch_update(AcqRel, Relaxed, drained);
    }

    /// Has it look whether it is to leave.
    pub(crate) fn wake(&self) {
        let waker = self.inner().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.inner().client
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotHandle {
    /// Its number among all of them, those of all chunks.
    pub(crate) const fn index(&self) -> u32 {
        self.index
    }
}

impl Deref for SlotHandle {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.chunk.slot(self.index)
    }
}

impl Chunk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(array::from_fn(|_| Slot::default())))
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.0
    }

    pub(crate) fn handle(self: &Arc<Self>, index: u32) -> SlotHandle {
        let chunk = Arc::clone(self);
        SlotHandle { chunk, index }
    }

    fn slot(&self, index: u32) -> &Slot {
        &self.0[index as usize % CHUNK]
    }
}

/// Ends when a connection is to leave. It is to be polled while that one is idle, and not else: that is how
/// its slot knows. It can be polled after its end.
#[derive(Debug)]
pub(crate) struct Leaving(pub(crate) SlotHandle);

impl Future for Leaving {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_leave(cx)
    }
}

/// Nanoseconds of the clock that slots go by: exact, so that of two that are idle it is known which is so
/// for longer.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
    // It begins when the system does, and 64 bits last for centuries.
    let now = seconds.saturating_mul(1_000_000_000);
    now.saturating_add(nanoseconds).clamp(BUSY + 1, DRAINED - 1)
}

const fn is_time(state: u64) -> bool {
    state > BUSY && state < DRAINED
}

/// So many are side by side.
pub(crate) const CHUNK: usize = 128;
/// A request has begun, or its answer is not yet given; or there is no connection.
const BUSY: u64 = 0;
/// It leaves as soon as it is between two requests: this daemon ends.
const DRAINED: u64 = u64::MAX - 1;
/// The same: another one has its place.
const EVICTED: u64 = u64::MAX;
