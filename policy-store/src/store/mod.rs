//! The interface of every store, and what all of them promise.

mod key;
pub(crate) mod windows;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

pub use self::key::key;
#[cfg(feature = "sqlite")]
pub(crate) use self::key::own_key;
pub(crate) use self::key::{fitting, short_key};
use crate::{Breaker, Event, StoreError, Usage, Windows};

/// The answer to a call. It has a deadline: see each store's options.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// How long a key may be that is kept as it is, in bytes. Of a longer one the SHA-256 is.
pub const MAX_KEY_LEN: usize = 4096;

/// How long a value may be, in bytes: 1 MB less what memcached needs beside it.
pub const MAX_VALUE_LEN: usize = 1_000_000;

/// Something that remembers values by their keys for a time.
///
/// Keys and values are any bytes, also none, and [`MAX_VALUE_LEN`] bounds values. A key may have any length: what a client
/// chooses never fails a call, and one that is longer than [`MAX_KEY_LEN`] costs no more than a hash. Make keys of what a
/// client may choose with [`key()`]. Each call is atomic, over processes and hosts where they share the store. When two
/// calls are under way at once, either may come first.
///
/// A time to live of `None` is no end; [`Duration::ZERO`] counts as a millisecond. An entry is never gone before its
/// time, but for bounds that a store says it has, and memcached's and Redis's own; it is gone at its time, with
/// memcached up to two seconds later.
///
/// # Errors
///
/// Each call can fail with any [`StoreError`] that is an outage, and with
/// [`TooLarge`](StoreError::TooLarge). What failed may have been done.
pub trait Store: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>>;

    /// Gives a key a value, whether it has one or not.
    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()>;

    /// Gives a key a value if it has none: true if so.
    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool>;

    /// Gives a key a value if it has the expected one: true if so.
    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool>;

    /// Adds to the number that a key has, decimal digits, and gives the sum. A key without a value has 0, and gets the
    /// time to live; that of others stays.
    ///
    /// # Errors
    ///
    /// [`NotANumber`](StoreError::NotANumber), and [`Overflow`](StoreError::Overflow) above 2^63-1; the value stays.
    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64>;

    /// Takes a key's value away: true if it had one.
    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool>;

    /// Takes a key's value away if it is the expected one: true if so.
    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool>;

    /// Checks an event against all windows of a key, and counts it if it is allowed, in one step.
    ///
    /// The key is for windows alone: other values of it are lost, and [`get`](Self::get) does not read it. One key
    /// counts amounts or distinct values; the other kind of event starts from nothing. All that count a key give windows of
    /// the same lengths: what it holds of other lengths is forgotten.
    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage>;

    /// Counts something that may be told more than once, such as a mail: it is counted the first time, and its mark, a
    /// key, remembers that. `None` if the mark is there already. What is denied, and not counted for that, leaves no
    /// mark: it is checked again. In one step where the store can; else another that asks meanwhile may find the mark of
    /// one that is about to be denied.
    fn count_once<'a>(
        &'a self,
        mark: Mark<'a>,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Option<Usage>> {
        Box::pin(async move {
            let is_first = self.set_if_absent(mark.key, b"1", Some(mark.ttl));
            if !is_first.await? {
                return Ok(None);
            }
            let usage = self.count(key, windows, event).await?;
            if !usage.allowed && !windows.counts_all() {
                self.delete(mark.key).await?;
            }
            Ok(Some(usage))
        })
    }

    /// What [`count`](Self::count) would give for the last of these events if all of them were counted in their order.
    /// None is.
    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage>;

    /// Shows what the windows of a key hold, and counts nothing. `allowed` is whether one more would be.
    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage>;

    /// Forgets all events of a key: true if there were any.
    fn reset<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        self.delete(key)
    }

    /// Takes a lock and reads what it is for: in one round trip where the store can.
    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        Box::pin(async move {
            if !self
                .set_if_absent(lock.key, lock.owner, Some(lock.ttl))
                .await?
            {
                return Ok(Locked::Busy);
            }
            Ok(Locked::Held(self.get(key).await?))
        })
    }

    /// Writes what a lock is for and gives the lock back: in one round trip where the store can. False, and nothing is
    /// written, if the lock's time was over and somebody else has it, or nobody.
    fn set_and_unlock<'a>(
        &'a self,
        lock: Lock<'a>,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            // The lock is kept while the value is written.
            if !self
                .compare_and_set(lock.key, lock.owner, lock.owner, Some(lock.ttl))
                .await?
            {
                return Ok(false);
            }
            self.set(key, value, ttl).await?;
            self.compare_and_delete(lock.key, lock.owner).await?;
            Ok(true)
        })
    }

    /// Closes what a program is not to leave open at its end: a file is whole by itself after that. What is asked later opens it
    /// again.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// The breakers of all remotes of the store; none if there is no remote.
    fn breakers(&self) -> Vec<Breaker>;
}

/// The mark of something that is counted once: an entry of the store that says that it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// How long it is remembered.
    pub ttl: Duration,
}

/// A lock: an entry of the store that says who has it.
///
/// With a Redis cluster its key and that of the value have to have the same tag, such as `{ID}` and `lock_{ID}`.
#[derive(Clone, Copy, Debug)]
pub struct Lock<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// The owner: a text that nobody else uses.
    pub owner: &'a [u8],
    /// After how long it is anybody's.
    pub ttl: Duration,
}

/// The result of taking a lock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Locked {
    /// It is taken, and this is the value.
    Held(Option<Bytes>),
    /// Somebody else has it.
    Busy,
}

/// Refuses a value that is too large for a store.
pub(crate) fn check_value(value: &[u8]) -> Result<(), StoreError> {
    check_limit(value.len(), MAX_VALUE_LEN, "bytes of a value")
}

pub(crate) fn check_limit(size: usize, limit: usize, unit: &'static str) -> Result<(), StoreError> {
    if size > limit {
        return Err(StoreError::TooLarge { size, limit, unit });
    }
    Ok(())
}

/// The number that a value is.
pub(crate) fn number(value: &[u8]) -> Result<u64, StoreError> {
    let digits = str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits
        .and_then(|text| text.parse().ok())
        .filter(|number| *number <= MAX_NUMBER);
    number.ok_or(StoreError::NotANumber)
}

/// The sum of a value and a number.
pub(crate) fn sum(value: u64, delta: u64) -> Result<u64, StoreError> {
    let sum = value.checked_add(delta).filter(|sum| *sum <= MAX_NUMBER);
    sum.ok_or(StoreError::Overflow)
}

/// The largest number that all stores can count to.
pub(crate) const MAX_NUMBER: u64 = i64::MAX as u64;
