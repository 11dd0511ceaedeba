//! A budget for the memory that requests and answers take: beyond it new requests wait.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit};

mod extra;
pub(crate) use extra::Extra;

mod wait;
pub(crate) use wait::Wait;

/// One budget for the buffers of any number of connections, of all threads together: of requests that
/// are being read or worked on, of their replies, and of answers that policy servers send. Clones
/// share it. Without a budget, which is the default everywhere, each connection has what it needs.
///
/// It has three parts that do not take from each other:
///
/// - A half is for requests of a usual size, each with its answer and its reply:
///   [`USUAL`](Self::USUAL) bytes for each request under way. Idle connections take nothing.
/// - A quarter is for requests beyond 5 KiB.
/// - A quarter is for answers beyond 1 KiB. One [`Pool`](crate::Pool), which is one service, takes a half
///   of it at most, or one answer: so a service that talks without an end leaves the others their half,
///   if the budget is 16 times the largest answer.
///
/// A connection that needs more than there is waits until others give it back: who has waited longest
/// comes first. A new request is not read meanwhile, but for its first byte, and takes no buffer; a
/// large one waits with what it has. The client's [time](crate::Patience) for the rest of its request does
/// not run meanwhile; that for the wait does ([`Patience::memory`](crate::Patience::memory)), and when it
/// is over the connection has to end ([`ConnectionError::NoMemory`](crate::ConnectionError::NoMemory)). A
/// client that is known to have gone is waited for no more within a second. A request or an answer takes at once what its limit allows
/// it, so that whatever has begun can go on to its end, and nobody waits for memory that is held by
/// somebody who waits.
///
/// Buffers that a thread keeps for its next requests count as well: at most an eighth of the budget.
/// Not counted are what an idle connection costs (its task, its socket, and the 1 KiB of one to a
/// policy server), a [`Request`](policy_proto::Request) that is kept when its connection reads
/// the next one, and a reply to no request.
///
/// Whatever the size is, one request of each kind is let through. The budget is kept if it is
/// [`MIN`](Self::MIN) at least, and 8 times the largest request and answer.
///
/// ```
/// use policy_net::{Connection, MemoryBudget, Terms};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let budget = MemoryBudget::new(256 << 20);
/// let mut terms = Terms::default();
/// terms.memory = Some(budget.clone());
///
/// let (mut client, server) = duplex(4096);
/// let mut connection = Connection::new(server, terms);
/// assert_eq!(budget.in_use(), 0, "it is idle");
///
/// client.write_all(b"request=smtpd_access_policy\n\n").await?;
/// let request = connection.request(std::future::pending()).await?;
/// assert!(request.is_some());
/// assert_eq!(budget.in_use(), MemoryBudget::USUAL);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryBudget {
    parts: Arc<Parts>,
    /// What one service's answers may take of the part for answers.
    share: Option<Arc<Part>>,
}

struct Parts {
    bytes: usize,
    usual: Part,
    requests: Part,
    answers: Part,
    waiting: AtomicUsize,
    waited: AtomicU64,
}

/// What memory is taken for: each has a part of the budget.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Usual,
    LargeRequest,
    LargeAnswer,
}

impl MemoryBudget {
    /// What a request of a usual size takes in bytes, with its answer and its reply: 8 KiB. 5 KiB are
    /// for the request, which is more than Postfix sends as a rule.
    pub const USUAL: usize = 8 * 1024;
    /// The least size in bytes that is kept: 1 MiB, for 64 requests at a time.
    pub const MIN: usize = 1024 * 1024;

    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let parts = Parts {
            bytes,
            usual: Part::new(bytes / 2, Self::USUAL),
            requests: Part::new(bytes / 4, UNIT),
            answers: Part::new(bytes / 4, UNIT),
            waiting: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
        };
        Self {
            parts: Arc::new(parts),
            share: None,
        }
    }

    /// The same for the answers of one service, which take so many bytes each: a half of the part for
    /// answers at most, but one answer in any case.
    pub(crate) fn for_service(&self, answer: usize) -> Self {
        let half = self.parts.answers.units / 2 * UNIT;
        Self {
            parts: Arc::clone(&self.parts),
            share: Some(Arc::new(Part::new(half.max(answer), UNIT))),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.bytes
    }

    /// The bytes that are taken at the moment, those among them that threads keep for later requests.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let Parts {
            usual,
            requests,
            answers,
            ..
        } = &*self.parts;
        UNIT * (usual.in_use() + requests.in_use() + answers.in_use())
    }

    /// How many requests and answers wait for memory at the moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.parts.waiting.load(Relaxed)
    }

    /// How many have had to wait so far.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.parts.waited.load(Relaxed)
    }

    /// Takes so many bytes, if they are free.
    pub(crate) fn try_take(&self, kind: Kind, bytes: usize) -> Option<Charge> {
        let units = self.part(kind).units_of(bytes);
        let share = match self.share(kind) {
            Some(share) => Some(share.free.try_acquire_many(units).ok()?),
            None => None,
        };
        let permit = self.part(kind).free.try_acquire_many(units).ok()?;
        Some(self.charge(kind, permit, share))
    }

    /// Takes them when they are free.
    pub(crate) fn take(&self, kind: Kind, bytes: usize) -> Wait {
        Wait::begin(self.clone(), kind, bytes)
    }

    fn charge(
        &self,
        kind: Kind,
        permit: SemaphorePermit<'_>,
        share: Option<SemaphorePermit<'_>>,
    ) -> Charge {
        let units = permit.num_permits();
        permit.forget();
        if let Some(share) = share {
            share.forget();
        }
        Charge {
            budget: self.clone(),
            kind,
            units,
        }
    }

    fn part(&self, kind: Kind) -> &Part {
        match kind {
            Kind::Usual => &self.parts.usual,
            Kind::LargeRequest => &self.parts.requests,
            Kind::LargeAnswer => &self.parts.answers,
        }
    }

    /// What it is taken from as well.
    fn share(&self, kind: Kind) -> Option<&Part> {
        match kind {
            Kind::LargeAnswer => self.share.as_deref(),
            _ => None,
        }
    }
}

/// Whether it is the same budget.
impl PartialEq for MemoryBudget {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts)
    }
}

impl Eq for MemoryBudget {}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("bytes", &self.bytes())
            .field("in_use", &self.in_use())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// A part of the budget. Who has waited longest has what comes free next.
struct Part {
    free: Semaphore,
    units: usize,
}

impl Part {
    /// So many bytes, in whole pieces; one at least.
    fn new(bytes: usize, piece: usize) -> Self {
        let units = (bytes / piece).max(1).saturating_mul(piece / UNIT);
        let units = units.min(Semaphore::MAX_PERMITS);
        Self {
            free: Semaphore::new(units),
            units,
        }
    }

    fn in_use(&self) -> usize {
        self.units.saturating_sub(self.free.available_permits())
    }

    /// What is larger than all of it goes on alone.
    fn units_of(&self, bytes: usize) -> u32 {
        let units = bytes.div_ceil(UNIT).min(self.units);
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}

/// Memory of a budget, until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: MemoryBudget,
    kind: Kind,
    units: usize,
}

impl Charge {
    pub(crate) const fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Whether it may be kept for the next request, instead of being given back: that is up to a quarter
    /// of its part.
    pub(crate) fn may_be_kept(&self) -> bool {
        let part = self.budget.part(self.kind);
        part.in_use() <= part.units / 4
    }

    /// Takes so many bytes out of it, all of them at most.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).min(self.units);
        self.units -= units;
        Self {
            budget: self.budget.clone(),
            kind: self.kind,
            units,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.part(self.kind).free.add_permits(self.units);
        if let Some(share) = self.budget.share(self.kind) {
            share.free.add_permits(self.units);
        }
    }
}

/// In bytes; memory is counted in whole ones.
const UNIT: usize = 1024;
