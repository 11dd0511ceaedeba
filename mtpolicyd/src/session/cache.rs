//! The cache of sessions, and the lock that keeps two requests about one mail apart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use policy_store::{Lock, Locked, StoreError};
use thiserror::Error;
use tokio::{runtime::Handle, time::sleep};

use super::{MAX_SIZE, Session};
use crate::{connection::StoreHandle, error::PluginError};

/// The parameters of a session cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How long a session is kept after its last request. 300 s.
    pub expire: Duration,
    /// The unit of the pauses between two tries for the lock; after the n-th try it is n of them. 50 us.
    pub lock_wait: Duration,
    /// How many tries there are, less one. 50.
    pub lock_max_retry: u32,
    /// After how long a lock is anybody's. 10 s.
    pub lock_timeout: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            expire: Duration::from_secs(300),
            lock_wait: Duration::from_micros(50),
            lock_max_retry: 50,
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// Where sessions are kept.
#[derive(Clone, Debug, Default)]
pub struct SessionCache {
    store: Option<(StoreHandle, SessionOptions)>,
    /// This process in the locks that it takes.
    owner: Arc<str>,
    locks: Arc<AtomicU64>,
}

/// A session with its lock.
///
/// A client that leaves has its request dropped at any await. The session is then kept as it is, so that what is done stays
/// done, and its lock is given back, apart from the request.
#[derive(Debug, Default)]
pub struct Held {
    /// The session.
    pub session: Session,
    /// `None` where nothing is kept, or where it is given back. In a place of its own, since a session is moved often.
    lock: Option<Box<HeldLock>>,
}

#[derive(Debug)]
struct HeldLock {
    instance: String,
    /// The key of the lock.
    key: String,
    owner: String,
    cache: SessionCache,
    /// Whether the session has come.
    is_open: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(lock), Ok(runtime)) = (self.lock.take(), Handle::try_current()) else {
            return;
        };
        let session = std::mem::take(&mut self.session);
        runtime.spawn(async move {
            // A lock that cannot be given back ends by itself.
            _ = lock.release(&session).await;
        });
    }
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum SessionError {
    /// Another request about the mail has the lock.
    #[error("could not acquire lock for session {0}")]
    Busy(String),
    /// The store has failed.
    #[error("session cache: {0}")]
    Store(PluginError),
}

impl SessionCache {
    /// Sessions live for one request.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Sessions are kept in a store.
    #[must_use]
    pub fn new(store: StoreHandle, options: SessionOptions) -> Self {
        Self {
            store: Some((store, options)),
            owner: owner(),
            locks: Arc::default(),
        }
    }

    /// This cache, or the other one where it is of another store or other parameters: a reload keeps what is in memory.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let is_same = match (&self.store, &other.store) {
            (Some((store, options)), Some((new, new_options))) => {
                store.is_like(new) && options == new_options
            }
            _ => false,
        };
        if is_same { self.clone() } else { other.clone() }
    }

    /// Whether sessions are kept between requests.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// The session of a mail, locked: one round trip where nobody has the lock. Without an instance, or without a store, it is
    /// an empty one.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub async fn open(&self, instance: Option<&str>) -> Result<Held, SessionError> {
        let (Some((handle, options)), Some(instance)) = (
            &self.store,
            instance.filter(|instance| !instance.is_empty()),
        ) else {
            return Ok(Held::default());
        };
        let failed = |error| SessionError::Store(handle.failed(error));
        let store = handle.get().await.map_err(failed)?;
        // Not by `format!`: each request has both.
        let number = self.locks.fetch_add(1, Relaxed).to_string();
        let owner = [&*self.owner, &number].concat();
        let lock_key = ["lock_", instance].concat();
        let mut held = Held {
            session: Session::default(),
            lock: Some(Box::new(HeldLock {
                instance: instance.to_owned(),
                key: lock_key.clone(),
                owner: owner.clone(),
                cache: self.clone(),
                is_open: false,
            })),
        };
        for attempt in 1..options.lock_max_retry.max(2) {
            let lock = Lock {
                key: lock_key.as_bytes(),
                owner: owner.as_bytes(),
                ttl: options.lock_timeout,
            };
            let locked = store.lock_and_get(lock, instance.as_bytes()).await;
            match locked.inspect_err(|_| held.lock = None).map_err(failed)? {
                Locked::Held(value) => {
                    let session = value.as_deref().and_then(Session::decode);
                    held.session = session.unwrap_or_default();
                    if let Some(lock) = &mut held.lock {
                        lock.is_open = true;
                    }
                    return Ok(held);
                }
                Locked::Busy => sleep(options.lock_wait.saturating_mul(attempt)).await,
            }
        }
        held.lock = None;
        Err(SessionError::Busy(instance.to_owned()))
    }

    /// Keeps a session and gives its lock back, in one round trip. A session that has become too large is kept as it was.
    ///
    /// # Errors
    ///
    /// [`SessionError`]; the lock ends by itself.
    pub async fn close(&self, mut held: Held) -> Result<(), SessionError> {
        let Some(lock) = held.lock.take() else {
            return Ok(());
        };
        lock.release(&held.session).await
    }
}

impl HeldLock {
    async fn release(&self, session: &Session) -> Result<(), SessionError> {
        let Some((handle, options)) = &self.cache.store else {
            return Ok(());
        };
        let failed = |error| SessionError::Store(handle.failed(error));
        let store = handle.get().await.map_err(failed)?;
        let (key, owner) = (self.key.as_bytes(), self.owner.as_bytes());
        let value = session.encode();
        if !self.is_open || value.len() > MAX_SIZE {
            let unlocked = store.compare_and_delete(key, owner).await;
            unlocked.map_err(failed)?;
        }
        if !self.is_open {
            return Ok(());
        }
        if value.len() > MAX_SIZE {
            let error = StoreError::TooLarge {
                size: value.len(),
                limit: MAX_SIZE,
                unit: "bytes of a session",
            };
            return Err(SessionError::Store(PluginError::Other(error.to_string())));
        }
        let lock = Lock {
            key,
            owner,
            ttl: options.lock_timeout,
        };
        let ttl = Some(options.expire);
        let instance = self.instance.as_bytes();
        let kept = store.set_and_unlock(lock, instance, &value, ttl).await;
        kept.map_err(failed)?;
        Ok(())
    }
}

/// The beginning of what no other process has at this time, on no host as far as can be told.
fn owner() -> Arc<str> {
    use std::hash::{BuildHasher, RandomState};
    let number = RandomState::new().hash_one(std::process::id());
    format!("{number:x}.").into()
}
