//! One client connection, as far as others need to know of it: whether it waits for its client, since when, and
//! how it is asked to leave.

use std::{
    array,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll, Waker},
};

use rustix::time::{ClockId, clock_gettime};

use crate::{admission::Client, session::Watch};

/// What is known of a connection that is served, or room for that of another one.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Since when it waits for its client, in nanoseconds of the system's monotonic clock, and [for what](Wait); or
    /// one of the constants below.
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
pub(crate) struct Chunk {
    slots: [Slot; CHUNK],
    /// Of all chunks: whether one has begun to wait for its client.
    has_waiting: Arc<AtomicBool>,
}

/// What a connection waits for that has no request under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// For the next request.
    Idle,
    /// For the rest of one.
    Rest,
}

impl Slot {
    /// A client has connected, and is idle.
    pub(crate) fn open(&self, client: Client, now: u64) {
        self.inner().client = Some(client);
        self.state.store(now, Relaxed);
    }

    /// Its connection has ended: nobody evicts it any more. Whose it was, and whether somebody has.
    pub(crate) fn close(&self) -> (Option<Client>, bool) {
        let was_evicted = matches!(self.state.swap(BUSY, AcqRel), EVICTED | CUT);
        let Inner { client, waker } = std::mem::take(&mut *self.inner());
        drop(waker);
        (client, was_evicted)
    }

    /// A byte of a request has come.
    pub(crate) fn begin(&self) {
        let state = self.state.load(Relaxed);
        if is_idle(state) || state == EVICTED {
            self.change(|state| match state {
                idle if is_idle(idle) => Some(unfinished(now())),
                EVICTED => Some(CUT),
                _ => None,
            });
        }
    }

    /// A request has come whole. If it is to leave by now, it does so after the answer.
    pub(crate) fn complete(&self) {
        self.change(|state| match state {
            CUT => Some(EVICTED),
            _ => (state < DRAINED).then_some(BUSY),
        });
    }

    /// The request is answered: what may have come behind it is the beginning of another one.
    pub(crate) fn answered(&self) {
        self.change(|state| match state {
            EVICTED => Some(CUT),
            _ => (state < DRAINED).then(|| unfinished(now())),
        });
    }

    /// It waits for the next request or for the rest of one: whether that is given up. Else whoever polls is woken
    /// when it is.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.state.load(Acquire);
        if state != CUT && !is_unfinished(state) {
            return Poll::Pending;
        }
        self.wakes(cx);
        match self.state.load(Acquire) {
            CUT => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// It is idle: whether it is to leave. Else whoever polls is woken when it is.
    fn poll_leave(&self, cx: &Context<'_>) -> Poll<()> {
        self.wakes(cx);
        self.change(|state| (state < DRAINED && !is_idle(state)).then(now));
        match is_idle(self.state.load(Acquire)) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// The state is to be looked at after that: whoever changes it wakes this one later.
    fn wakes(&self, cx: &Context<'_>) {
        let mut inner = self.inner();
        let replaced = match &inner.waker {
            Some(known) if known.will_wake(cx.waker()) => None,
            _ => inner.waker.replace(cx.waker().clone()),
        };
        drop(inner);
        drop(replaced);
    }

    /// What it waits for, and since when, if it waits for its client.
    pub(crate) fn waits(&self) -> Option<(Wait, u64)> {
        match self.state.load(Relaxed) {
            state if is_idle(state) => Some((Wait::Idle, state)),
            state if is_unfinished(state) => Some((Wait::Rest, state & !UNFINISHED)),
            _ => None,
        }
    }

    /// Takes away its place if it has waited for this since then, and says whose it was. It is to be
    /// [woken](Self::wake).
    pub(crate) fn evict(&self, wait: Wait, since: u64) -> Option<Client> {
        let (state, evicted) = match wait {
            Wait::Idle => (since, EVICTED),
            Wait::Rest => (unfinished(since), CUT),
        };
        let evicted = self.state.compare_exchange(state, evicted, AcqRel, Relaxed);
        evicted.ok().and_then(|_| self.client())
    }

    pub(crate) fn is_evicted(&self) -> bool {
        matches!(self.state.load(Acquire), EVICTED | CUT)
    }

    /// Has it leave as soon as it is between two requests. It is to be [woken](Self::wake).
    pub(crate) fn drain(&self) {
        self.change(|state| (state < DRAINED).then_some(DRAINED));
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

    fn change(&self, to: impl Fn(u64) -> Option<u64>) {
        // There is none where it is to stay as it is.
        _ = self.state.fetch_update(AcqRel, Acquire, to);
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

    /// It is worth while to look again for one that waits. As a rule that is known: what workers share is not written.
    fn waits_now(&self) {
        let known = &self.chunk.has_waiting;
        if !known.load(Relaxed) {
            known.store(true, Relaxed);
        }
    }
}

impl Watch for SlotHandle {
    fn complete(&self) {
        Slot::complete(self);
    }

    fn answered(&self) {
        Slot::answered(self);
        self.waits_now();
    }

    fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        Slot::poll_cut(self, cx)
    }
}

impl Deref for SlotHandle {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.chunk.slot(self.index)
    }
}

impl Chunk {
    pub(crate) fn new(has_waiting: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            slots: array::from_fn(|_| Slot::default()),
            has_waiting: Arc::clone(has_waiting),
        })
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn handle(self: &Arc<Self>, index: u32) -> SlotHandle {
        let chunk = Arc::clone(self);
        SlotHandle { chunk, index }
    }

    fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize % CHUNK]
    }
}

/// Ends when a connection is to leave. It is to be polled while that one is idle, and not else: that is how
/// its slot knows. It can be polled after its end.
#[derive(Debug)]
pub(crate) struct Leaving(pub(crate) SlotHandle);

impl Future for Leaving {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.0.poll_leave(cx);
        self.0.waits_now();
        left
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
    now.saturating_add(nanoseconds).clamp(BUSY + 1, LATEST)
}

const fn unfinished(since: u64) -> u64 {
    since | UNFINISHED
}

const fn is_idle(state: u64) -> bool {
    state > BUSY && state <= LATEST
}

const fn is_unfinished(state: u64) -> bool {
    state > UNFINISHED && state < DRAINED
}

/// So many are side by side.
pub(crate) const CHUNK: usize = 128;
/// A request has come whole, and its answer is not yet given; or there is no connection.
const BUSY: u64 = 0;
/// With the time since when it is so: a part of a request has come.
const UNFINISHED: u64 = 1 << 63;
/// It leaves as soon as it is between two requests: this daemon ends.
const DRAINED: u64 = u64::MAX - 2;
/// The same: another one has its place.
const EVICTED: u64 = u64::MAX - 1;
/// The same, and it does not wait for the rest of a request.
const CUT: u64 = u64::MAX;
/// No time is later: with [`UNFINISHED`] it is none of the others.
const LATEST: u64 = (DRAINED & !UNFINISHED) - 1;
