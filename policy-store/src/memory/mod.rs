//! A store in memory: bounded, the oldest out, on tokio's clock.

mod entries;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use self::entries::Entries;
use crate::{
    Answer, Breaker, Event, Lock, Locked, Store, StoreError, Usage, Windows,
    store::{check_value, fitting, number, sum},
    wall_clock::millis,
    window::{WindowState, check_event},
};

/// How much a [`MemoryStore`] holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// How many entries. 1,000,000, more than the bytes allow of all but the smallest.
    pub max_entries: usize,
    /// How many bytes of keys and values, with 200 for each entry. 64 MiB: some 250,000 counters. An entry that is
    /// larger is refused.
    pub max_bytes: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            max_entries: 1_000_000,
            max_bytes: 64 << 20,
        }
    }
}

/// A store of this process. When it is full, entries whose time is over leave first, then those that were written
/// longest ago; reading makes nothing younger, so that a flood of reads keeps nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), policy_store::StoreError> {
/// use std::time::Duration;
///
/// use policy_store::{MemoryOptions, MemoryStore, Store};
///
/// let store = MemoryStore::new(MemoryOptions::default());
/// store.set(b"ticket", b"1764364701", Some(Duration::from_secs(7200))).await?;
/// assert_eq!(store.get(b"ticket").await?.as_deref(), Some(&b"1764364701"[..]));
/// tokio::time::advance(Duration::from_secs(7200)).await;
/// assert_eq!(store.get(b"ticket").await?, None);
/// # Ok(())
/// # }
/// ```
pub struct MemoryStore {
    entries: Mutex<Entries>,
    begin: Instant,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(options: MemoryOptions) -> Self {
        Self {
            entries: Mutex::new(Entries::new(options)),
            begin: Instant::now(),
        }
    }

    /// How many entries it holds, those whose time is over included until they leave.
    pub fn len(&self) -> usize {
        self.lock().0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The live entries whose keys begin so, at most so many, those written longest ago first.
    pub fn entries(&self, prefix: &[u8], most: usize) -> Vec<(Bytes, Bytes)> {
        let (entries, now) = self.lock();
        let of_prefix = entries.iter(now).filter(|(key, _)| key.starts_with(prefix));
        of_prefix
            .take(most)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The entries, and the time. No call leaves them half changed, so a panic elsewhere does not matter.
    fn lock(&self) -> (MutexGuard<'_, Entries>, Instant) {
        (
            self.entries.lock().unwrap_or_else(PoisonError::into_inner),
            Instant::now(),
        )
    }

    /// Milliseconds of this store's own clock; it began long ago, so that no window reaches before it.
    fn clock_ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.begin)).saturating_add(1 << 40)
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        answer(move || {
            let (entries, now) = self.lock();
            Ok(entries.get(&fitting(key), now).cloned())
        })
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()> {
        answer(move || {
            check_value(value)?;
            let key = &*fitting(key);
            let (mut entries, now) = self.lock();
            entries.set(key, value, ttl, now)
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        answer(move || {
            check_value(value)?;
            let key = &*fitting(key);
            let (mut entries, now) = self.lock();
            let is_absent = entries.get(key, now).is_none();
            if is_absent {
                entries.set(key, value, ttl, now)?;
            }
            Ok(is_absent)
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        answer(move || {
            check_value(value)?;
            let key = &*fitting(key);
            let (mut entries, now) = self.lock();
            let is_expected = entries.get(key, now).is_some_and(|value| value == expected);
            if is_expected {
                entries.set(key, value, ttl, now)?;
            }
            Ok(is_expected)
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64> {
        answer(move || {
            let key = &*fitting(key);
            let (mut entries, now) = self.lock();
            let Some(value) = entries.get(key, now) else {
                let sum = sum(0, delta)?;
                entries.set(key, sum.to_string().as_bytes(), ttl, now)?;
                return Ok(sum);
            };
            let sum = sum(number(value)?, delta)?;
            entries.replace(key, sum.to_string().as_bytes(), now)?;
            Ok(sum)
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        answer(move || {
            let (mut entries, now) = self.lock();
            Ok(entries.remove(&fitting(key), now))
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        answer(move || {
            let key = &*fitting(key);
            let (mut entries, now) = self.lock();
            let is_expected = entries.get(key, now).is_some_and(|value| value == expected);
            Ok(is_expected && entries.remove(key, now))
        })
    }

    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage> {
        answer(move || {
            let key = &*fitting(key);
            check_event(windows, event)?;
            let (mut entries, now) = self.lock();
            let state = entries
                .get(key, now)
                .map(|value| WindowState::decode(value));
            let mut state = state.unwrap_or_default();
            let usage = state.count(self.clock_ms(now), windows, event);
            let ttl = Duration::from_millis(windows.span_ms());
            entries.set(key, &state.encode(), Some(ttl), now)?;
            Ok(usage)
        })
    }

    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage> {
        answer(move || {
            let (entries, now) = self.lock();
            let state = entries
                .get(&fitting(key), now)
                .map(|value| WindowState::decode(value));
            let state = state.unwrap_or_default();
            state.preview(self.clock_ms(now), windows, events)
        })
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        answer(move || {
            let (entries, now) = self.lock();
            let state = entries
                .get(&fitting(key), now)
                .map(|value| WindowState::decode(value));
            Ok(state.unwrap_or_default().usage(self.clock_ms(now), windows))
        })
    }

    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        answer(move || {
            check_value(lock.owner)?;
            let (key, name) = (&*fitting(key), &*fitting(lock.key));
            let (mut entries, now) = self.lock();
            if entries.get(name, now).is_some() {
                return Ok(Locked::Busy);
            }
            entries.set(name, lock.owner, Some(lock.ttl), now)?;
            Ok(Locked::Held(entries.get(key, now).cloned()))
        })
    }

    fn breakers(&self) -> Vec<Breaker> {
        Vec::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryStore")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Nothing is done before the answer is awaited.
fn answer<'a, T>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'a) -> Answer<'a, T> {
    Box::pin(async move { work() })
}

#[cfg(test)]
mod tests;
