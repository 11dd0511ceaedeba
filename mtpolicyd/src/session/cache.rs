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
use tokio::time::sleep;

use super::{MAX_SIZE, Session};
use crate::connection::StoreHandle;

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
    owner: u64,
    locks: Arc<AtomicU64>,
}

/// A session with its lock.
#[derive(Debug, Default)]
pub struct Held {
    /// The session.
    pub session: Session,
    /// The instance and the owner of the lock; `None` where nothing is kept.
    lock: Option<(String, String)>,
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum SessionError {
    /// Another request about the mail has the lock.
    #[error("could not acquire lock for session {0}")]
    Busy(String),
    /// The store has failed.
    #[error("session cache: {0}")]
    Store(#[from] StoreError),
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
        let store = handle.get().await?;
        let owner = format!("{:x}.{:x}", self.owner, self.locks.fetch_add(1, Relaxed));
        let lock_key = lock_key(instance);
        for attempt in 1..options.lock_max_retry.max(2) {
            let lock = Lock {
                key: lock_key.as_bytes(),
                owner: owner.as_bytes(),
                ttl: options.lock_timeout,
            };
            match store.lock_and_get(lock, instance.as_bytes()).await? {
                Locked::Held(value) => {
                    let session = value.as_deref().and_then(Session::decode);
                    return Ok(Held {
                        session: session.unwrap_or_default(),
                        lock: Some((instance.to_owned(), owner)),
                    });
                }
                Locked::Busy => sleep(options.lock_wait.saturating_mul(attempt)).await,
            }
        }
        Err(SessionError::Busy(instance.to_owned()))
    }

    /// Keeps a session and gives its lock back, in one round trip. A session that has become too large is kept as it was.
    ///
    /// # Errors
    ///
    /// [`SessionError`]; the lock ends by itself.
    pub async fn close(&self, held: Held) -> Result<(), SessionError> {
        let (Some((handle, options)), Some((instance, owner))) = (&self.store, held.lock) else {
            return Ok(());
        };
        let store = handle.get().await?;
        let lock_key = lock_key(&instance);
        let value = held.session.encode();
        if value.len() > MAX_SIZE {
            store
                .compare_and_delete(lock_key.as_bytes(), owner.as_bytes())
                .await?;
            return Err(StoreError::TooLarge {
                size: value.len(),
                limit: MAX_SIZE,
                unit: "bytes of a session",
            }
            .into());
        }
        let lock = Lock {
            key: lock_key.as_bytes(),
            owner: owner.as_bytes(),
            ttl: options.lock_timeout,
        };
        let ttl = Some(options.expire);
        store
            .set_and_unlock(lock, instance.as_bytes(), &value, ttl)
            .await?;
        Ok(())
    }
}

fn lock_key(instance: &str) -> String {
    format!("lock_{instance}")
}

/// A number that no other process has at this time, on no host as far as can be told.
fn owner() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
