//! The connections to one policy server: how many there may be, and those that are idle.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_proto::Limits;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    AttemptError, Client, Connect, Lease, MemoryBudget,
    alarm::before,
    place::{Place, Waiting},
    queue::Queue,
    shelves::{Idle, Shelves},
};

/// How many connections one policy server may have, and how long they are kept. The struct may
/// grow: start from the defaults, and say what differs.
///
/// ```
/// use policy_net::PoolOptions;
///
/// let mut options = PoolOptions::default();
/// options.max_connections = 45; // policyd-weight stops at 50 processes
/// assert_eq!(options.keep.map(|keep| keep.as_secs()), Some(60));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Connections open at once. 100 by default, as many as the default of Postfix's
    /// `default_process_limit`.
    pub max_connections: usize,
    /// Connections that its server may not have accepted yet: it has until the first answer, or 20 ms,
    /// and more are opened only then. 5 by default, the length of the queue that the simplest servers
    /// ask for (`listen(fd, 5)`): what does not fit is lost, and TCP repeats it after a second.
    pub max_opening: usize,
    /// How long an unused connection is kept; `None` closes it after each answer. 60 s by default,
    /// below the idle limits of the common policy servers. An older one is not used any more, and
    /// closed by [`Pool::trim`].
    pub keep: Option<Duration>,
    /// How long after an answer its connection is trusted to be what the runtime takes it for; later the
    /// system is asked as well, which costs a system call. 10 ms by default: a runtime may be busy for
    /// so long. With [`Retry::Unsent`](crate::Retry) it is never trusted.
    pub trust: Duration,
    /// Limits of an answer: 16 KiB a line and 128 KiB in all by default.
    pub limits: Limits,
    /// What answers beyond 1 KiB may take in memory, with all else that has this budget; those of one pool
    /// at most a half of its part for answers. Without a limit by default: each connection may take twice
    /// the largest answer.
    pub memory: Option<MemoryBudget>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 100,
            max_opening: 5,
            keep: Some(Duration::from_secs(60)),
            trust: Duration::from_millis(10),
            limits: Limits::default(),
            memory: None,
        }
    }
}

/// The connections to one policy server: the one used last is used next, so that the others grow
/// old and are closed.
///
/// A connection comes back to the pool by [`Lease::give_back`] only. One that is dropped, because
/// its request failed or was given up, is closed: no late answer can be read as the next one's.
///
/// An idle connection on which anything has come, bytes or its end, is closed instead of used. What
/// comes later than that check cannot be told from an answer: a server must not speak unasked.
///
/// [`Upstream`](crate::Upstream) has one for each of its services. This is what it does for a
/// request:
///
/// ```
/// # use policy_net::Connect;
/// use policy_net::{Pool, PoolOptions};
/// use policy_proto::Request;
/// use std::time::Duration;
/// # use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
/// #
/// # #[derive(Debug)]
/// # struct Connector;
/// #
/// # impl Connect for Connector {
/// #     type Io = DuplexStream;
/// #
/// #     async fn connect(&self, _: Duration) -> std::io::Result<DuplexStream> {
/// #         let (near, mut far) = duplex(4096);
/// #         far.write_all(b"action=DUNNO\n\n").await?;
/// #         tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
/// #         Ok(near)
/// #     }
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let connector = Connector;
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let pool = Pool::new(connector, PoolOptions::default());
///
/// let mut lease = pool.lease(Duration::from_secs(1)).await?;
/// assert!(!lease.is_reused(), "the pool is empty");
/// lease.open(Duration::from_secs(3)).await?;
/// assert_eq!(lease.ask(&request).await?.as_str(), Some("DUNNO"));
/// lease.give_back();
///
/// assert!(pool.lease(Duration::from_secs(1)).await?.is_reused());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool<C: Connect> {
    pub(crate) connect: C,
    pub(crate) options: PoolOptions,
    /// Never held across an await, or while a connection is looked at or closed.
    stock: Mutex<Stock<C::Io>>,
    /// Places for connections that may not have been accepted yet.
    opening: Arc<Semaphore>,
}

#[derive(Debug)]
pub(crate) struct Stock<Io> {
    /// For places, one for each connection in use.
    pub(crate) queue: Queue,
    pub(crate) idle: Shelves<Io>,
}

impl<C: Connect> Pool<C> {
    /// An empty pool.
    pub fn new(connect: C, mut options: PoolOptions) -> Arc<Self> {
        let answer = options.limits.message.saturating_mul(2);
        options.memory = options.memory.map(|budget| budget.for_service(answer));
        let opening = options.max_opening.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            connect,
            stock: Mutex::new(Stock {
                queue: Queue::new(options.max_connections),
                idle: Shelves::default(),
            }),
            opening: Arc::new(Semaphore::new(opening)),
            options,
        })
    }

    /// A place for one request: with an idle connection, if there is one that still lives, or the
    /// right to open one. Who has waited longest comes first.
    ///
    /// # Errors
    ///
    /// [`Busy`](AttemptError::Busy) when there is none for this time.
    pub async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease<C>, AttemptError> {
        let asker = Asker {
            worker: 0,
            trust: self.options.trust,
        };
        let now = Instant::now();
        self.lease_for(asker, now, now.checked_add(wait)).await
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "that would hold its arguments twice"
    )]
    pub(crate) fn lease_for(
        self: &Arc<Self>,
        asker: Asker,
        now: Instant,
        until: Option<Instant>,
    ) -> impl Future<Output = Result<Lease<C>, AttemptError>> {
        async move {
            let (place, idle) = match self.take(asker, now) {
                Some(taken) => taken,
                None => {
                    let place = before(until, Waiting::new(self)).await;
                    let place = place.ok_or(AttemptError::Busy)?;
                    (place, self.take_idle(asker, Instant::now()))
                }
            };
            match idle {
                Some(client) => Ok(Lease::kept(place, asker.worker, client)),
                // In memory of its own: it is rare, and would make all others larger.
                None => Box::pin(self.to_open(place, asker, until)).await,
            }
        }
    }

    /// A place, if there is one at once, and an idle connection, if there is one.
    fn take(self: &Arc<Self>, asker: Asker, now: Instant) -> Option<(Place<C>, Kept<C>)> {
        let idle = {
            let mut stock = self.stock();
            if !stock.queue.take() {
                return None;
            }
            stock.idle.take(asker.worker)
        };
        let place = Place::taken_in(self);
        let client = idle.and_then(|idle| {
            let client = self.usable(idle, asker, now);
            client.or_else(|| self.take_idle(asker, now))
        });
        Some((place, client))
    }

    async fn to_open(
        &self,
        place: Place<C>,
        asker: Asker,
        until: Option<Instant>,
    ) -> Result<Lease<C>, AttemptError> {
        let opening = before(until, self.opening().acquire_owned()).await;
        // The semaphore is never closed.
        let Some(Ok(opening)) = opening else {
            return Err(AttemptError::Busy);
        };
        // While it waited, others may have been answered.
        match self.take_idle(asker, Instant::now()) {
            Some(client) => Ok(Lease::kept(place, asker.worker, client)),
            None => Ok(Lease::to_open(place, asker.worker, opening)),
        }
    }

    /// How many connections are in use, at most [`max_connections`](PoolOptions::max_connections). A
    /// request that is given up is not counted any more.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        let in_use = self.options.max_connections - self.stock().queue.free();
        u32::try_from(in_use).unwrap_or(u32::MAX)
    }

    /// Closes the connections that have been idle for too long. Nothing does it unasked: call it
    /// from time to time.
    pub fn trim(&self) {
        if let Some(keep) = self.options.keep {
            let old = self.stock().idle.take_old(Instant::now(), keep);
            drop(old);
        }
    }

    fn take_idle(&self, asker: Asker, now: Instant) -> Kept<C> {
        loop {
            let idle = self.stock().idle.take(asker.worker)?;
            if let Some(client) = self.usable(idle, asker, now) {
                return Some(client);
            }
        }
    }

    fn usable(&self, mut idle: Idle<C::Io>, asker: Asker, now: Instant) -> Kept<C> {
        let age = now.saturating_duration_since(idle.since);
        // Its server, or what lies between, may have forgotten it without a word.
        if age >= self.options.keep? {
            return None;
        }
        // A server that closed it in the meantime, or sent what nobody asked for, is found here. What
        // the runtime knows of a connection is as old as its last look at all of them: of one that rested
        // for longer than it may be busy in between, or that another runtime looks after, the system is
        // asked, and whether that runtime is still there.
        let is_own = idle.worker == asker.worker;
        let client = &mut idle.client;
        let is_silent = match is_own && age < asker.trust {
            true => client.try_settle_as(&self.connect) == Some(true),
            false => client.try_settle() == Some(true) && self.connect.is_silent(client.io()),
        };
        if !is_silent || is_own {
            return is_silent.then_some(idle.client);
        }
        // It stays with who needs it: the runtime of another would have to wake this one each time.
        idle.client.adopted_by(&self.connect).ok().map(Box::new)
    }

    pub(crate) fn stock(&self) -> MutexGuard<'_, Stock<C::Io>> {
        // Nothing that holds the lock can panic half-way.
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opening(&self) -> Arc<Semaphore> {
        Arc::clone(&self.opening)
    }
}

/// A connection that was kept and can be used again, if there is one.
type Kept<C> = Option<Box<Client<<C as Connect>::Io>>>;

/// Who wants a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// One of several threads that have a runtime each, which its connections are registered with.
    pub(crate) worker: usize,
    /// As [`PoolOptions::trust`] says.
    pub(crate) trust: Duration,
}
