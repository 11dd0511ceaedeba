use std::{sync::Arc, time::Duration};

use policy_proto::Limits;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    AttemptError, Client, Connect, Lease,
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
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 100,
            max_opening: 5,
            keep: Some(Duration::from_secs(60)),
            trust: Duration::from_millis(10),
            limits: Limits::default(),
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
    idle: Shelves<C::Io>,
    /// Places for connections in use.
    places: Arc<Semaphore>,
    /// Places for connections that may not have been accepted yet.
    opening: Arc<Semaphore>,
}

impl<C: Connect> Pool<C> {
    /// An empty pool.
    pub fn new(connect: C, options: PoolOptions) -> Arc<Self> {
        let semaphore =
            |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            places: semaphore(options.max_connections),
            opening: semaphore(options.max_opening),
            connect,
            options,
            idle: Shelves::default(),
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
        self.lease_for(asker, Instant::now(), wait).await
    }

    pub(crate) async fn lease_for(
        self: &Arc<Self>,
        asker: Asker,
        now: Instant,
        wait: Duration,
    ) -> Result<Lease<C>, AttemptError> {
        if let Some(lease) = self.take(asker, now) {
            return Ok(lease);
        }
        timeout(wait, self.queue(asker))
            .await
            .unwrap_or(Err(AttemptError::Busy))
    }

    /// A place and an idle connection, if both are there at once.
    fn take(self: &Arc<Self>, asker: Asker, now: Instant) -> Option<Lease<C>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let client = self.take_idle(asker, now)?;
        Some(Lease::kept(Arc::clone(self), asker.worker, place, client))
    }

    async fn queue(self: &Arc<Self>, asker: Asker) -> Result<Lease<C>, AttemptError> {
        // The semaphores are never closed.
        let place = Arc::clone(&self.places).acquire_owned();
        let place = place.await.map_err(|_| AttemptError::Busy)?;
        let lease = match self.take_idle(asker, Instant::now()) {
            Some(client) => Lease::kept(Arc::clone(self), asker.worker, place, client),
            None => {
                let opening = Arc::clone(&self.opening).acquire_owned();
                let opening = opening.await.map_err(|_| AttemptError::Busy)?;
                // While it waited, others may have been answered.
                match self.take_idle(asker, Instant::now()) {
                    Some(client) => Lease::kept(Arc::clone(self), asker.worker, place, client),
                    None => Lease::to_open(Arc::clone(self), asker.worker, place, opening),
                }
            }
        };
        Ok(lease)
    }

    /// How many connections are in use, at most [`max_connections`](PoolOptions::max_connections). A
    /// request that is given up is not counted any more.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        let places = self.options.max_connections.min(Semaphore::MAX_PERMITS);
        let in_use = places.saturating_sub(self.places.available_permits());
        u32::try_from(in_use).unwrap_or(u32::MAX)
    }

    /// Closes the connections that have been idle for too long. Nothing does it unasked: call it
    /// from time to time.
    pub fn trim(&self) {
        if let Some(keep) = self.options.keep {
            self.idle.trim(Instant::now(), keep);
        }
    }

    fn take_idle(&self, asker: Asker, now: Instant) -> Option<Box<Client<C::Io>>> {
        let keep = self.options.keep?;
        loop {
            let mut idle = self.idle.take(asker.worker)?;
            let age = now.saturating_duration_since(idle.since);
            // Its server, or what lies between, may have forgotten it without a word.
            if age >= keep {
                continue;
            }
            // A server that closed it in the meantime, or sent what nobody asked for, is found
            // here. What the runtime knows of a connection is as old as its last look at all of
            // them: of one that rested for longer than it may be busy in between, or that another
            // runtime looks after, the system is asked.
            let is_own = idle.worker == asker.worker;
            let knows = is_own && age < asker.trust;
            if idle.client.try_settle() != Some(true)
                || !knows && !self.connect.is_silent(idle.client.io())
            {
                continue;
            }
            if is_own {
                return Some(idle.client);
            }
            // It stays with who needs it: the runtime of another would have to wake this one each time.
            if let Ok(client) = idle.client.adopted_by(&self.connect) {
                return Some(Box::new(client));
            }
        }
    }

    pub(crate) fn opening(&self) -> Arc<Semaphore> {
        Arc::clone(&self.opening)
    }

    pub(crate) fn keep(&self, worker: usize, client: Box<Client<C::Io>>, since: Instant) {
        self.idle.put(Idle {
            client,
            worker,
            since,
        });
    }
}

/// Who wants a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// One of several threads that have a runtime each, which its connections are registered with.
    pub(crate) worker: usize,
    /// As [`PoolOptions::trust`] says.
    pub(crate) trust: Duration,
}
