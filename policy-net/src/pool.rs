use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_proto::Limits;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{AttemptError, Client, Connect};

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
    /// How long an unused connection is kept; `None` closes it after each answer. 60 s by default,
    /// below the idle limits of the common policy servers. An older one is not used any more, and
    /// closed by [`Pool::trim`].
    pub keep: Option<Duration>,
    /// Limits of an answer: 16 KiB a line and 128 KiB in all by default.
    pub limits: Limits,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 100,
            keep: Some(Duration::from_secs(60)),
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
/// assert!(lease.reused().is_none(), "the pool is empty");
/// let client = lease.open(Duration::from_secs(3)).await?;
/// assert_eq!(client.ask(&request).await?.as_str(), Some("DUNNO"));
/// lease.give_back();
///
/// assert!(pool.lease(Duration::from_secs(1)).await?.reused().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool<C: Connect> {
    connect: C,
    options: PoolOptions,
    /// In the order of their last use.
    idle: Mutex<Vec<Idle<C::Io>>>,
    /// Connections in use. A new one is opened only while none is idle, so this bounds all of them.
    in_use: Arc<Semaphore>,
}

#[derive(Debug)]
struct Idle<Io> {
    client: Client<Io>,
    since: Instant,
}

impl<C: Connect> Pool<C> {
    /// An empty pool.
    pub fn new(connect: C, options: PoolOptions) -> Arc<Self> {
        let in_use = Arc::new(Semaphore::new(
            options.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        Arc::new(Self {
            connect,
            options,
            idle: Mutex::default(),
            in_use,
        })
    }

    /// A place for one request: with an idle connection, if there is one that still lives. Who has
    /// waited longest comes first.
    ///
    /// # Errors
    ///
    /// [`Busy`](AttemptError::Busy) when all places stay taken for this time.
    pub async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease<C>, AttemptError> {
        let permit = match Arc::clone(&self.in_use).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout(wait, Arc::clone(&self.in_use).acquire_owned())
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or(AttemptError::Busy)?,
        };
        let client = self.take_idle();
        Ok(Lease {
            kept: client.is_some(),
            client,
            pool: Arc::clone(self),
            permit,
        })
    }

    /// How many connections are in use, at most [`max_connections`](PoolOptions::max_connections). A
    /// request that is given up is not counted any more.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        let places = self.options.max_connections.min(Semaphore::MAX_PERMITS);
        let in_use = places.saturating_sub(self.in_use.available_permits());
        u32::try_from(in_use).unwrap_or(u32::MAX)
    }

    /// Closes the connections that have been idle for too long. Nothing does it unasked: call it
    /// from time to time.
    pub fn trim(&self) {
        let Some(keep) = self.options.keep else {
            return;
        };
        let now = Instant::now();
        self.idle()
            .retain(|idle| now.saturating_duration_since(idle.since) < keep);
    }

    fn take_idle(&self) -> Option<Client<C::Io>> {
        let keep = self.options.keep?;
        loop {
            let Idle {
                client: mut idle,
                since,
            } = self.idle().pop()?;
            // Its server, or what lies between, may have forgotten it without a word.
            if since.elapsed() >= keep {
                continue;
            }
            // A server that closed it in the meantime, or sent what nobody asked for, is found
            // here.
            if idle.try_settle() == Some(true) && self.connect.is_silent(idle.io()) {
                return Some(idle);
            }
        }
    }

    fn keep(&self, client: Client<C::Io>) {
        self.idle().push(Idle {
            client,
            since: Instant::now(),
        });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<C::Io>>> {
        // Nothing that holds the lock can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place in a [`Pool`], and its connection once there is one.
#[derive(Debug)]
pub struct Lease<C: Connect> {
    client: Option<Client<C::Io>>,
    /// The connection is one that was used before.
    kept: bool,
    pool: Arc<Pool<C>>,
    permit: OwnedSemaphorePermit,
}

impl<C: Connect> Lease<C> {
    /// A connection that was used before, if there is one.
    pub fn reused(&mut self) -> Option<&mut Client<C::Io>> {
        self.client.as_mut()
    }

    /// A new connection, in place of the one that there was.
    ///
    /// # Errors
    ///
    /// [`Connect`](AttemptError::Connect), and [`TimedOut`](AttemptError::TimedOut) when `within`
    /// is over.
    pub async fn open(&mut self, within: Duration) -> Result<&mut Client<C::Io>, AttemptError> {
        self.client = None;
        self.kept = false;
        let io = match timeout(within, self.pool.connect.connect(within)).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                return Err(AttemptError::TimedOut);
            }
            Ok(Err(error)) => return Err(AttemptError::Connect(error)),
            Err(_) => return Err(AttemptError::TimedOut),
        };
        Ok(self
            .client
            .insert(Client::with_limits(io, self.pool.options.limits)))
    }

    /// Whether the request that failed so was *unsent*: the server has certainly not read its last
    /// byte, so that it cannot have acted on it. [`Retry`](crate::Retry) has the cases.
    #[must_use]
    pub fn unsent(&self, error: &AttemptError) -> bool {
        let Some(client) = &self.client else {
            return true;
        };
        if client.heard() {
            return false;
        }
        let unread = match error {
            AttemptError::Io(error) => self.pool.connect.left_unread(error),
            _ => false,
        };
        unread || !client.sent()
    }

    /// Whether it was a connection used before that failed, without a byte of an answer: as a rule
    /// its server closed it while it was idle, which is nobody's fault.
    #[must_use]
    pub fn was_closed(&self, error: &AttemptError) -> bool {
        let closed = matches!(error, AttemptError::Closed | AttemptError::Io(_));
        let heard = self.client.as_ref().is_none_or(Client::heard);
        self.kept && closed && !heard
    }

    /// Gives the connection back after an answer, within a tokio runtime, to be kept if it can be
    /// used again. After a failure a lease is dropped instead, and its connection closed.
    ///
    /// One that still owes its blank line is not idle yet: it has a second to deliver that, and
    /// nothing more. Until then it is in use.
    pub fn give_back(self) {
        let Self {
            client: Some(mut client),
            pool,
            permit,
            ..
        } = self
        else {
            return;
        };
        let keeps = pool.options.keep.is_some();
        match client.try_settle() {
            Some(true) if keeps => pool.keep(client),
            None if keeps => {
                tokio::spawn(async move {
                    match timeout(SETTLE, client.settle()).await {
                        Ok(true) => pool.keep(client),
                        _ => drop(client),
                    }
                    drop(permit);
                });
                return;
            }
            _ => drop(client),
        }
        // Only now: whoever waits for the place must find the connection idle, or closed.
        drop(permit);
    }
}

/// How long a server may take for the blank line behind its answer.
const SETTLE: Duration = Duration::from_secs(1);
