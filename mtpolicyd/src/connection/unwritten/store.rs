//! A store that is only read: what would be written is kept beside it, so that who reads it next finds it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use policy_store::{Answer, Breaker, Event, Lock, Locked, Mark, Store, StoreError, Usage, Windows};

use super::{Unwritten, lock};

#[derive(Debug)]
pub(super) struct ReadStore {
    name: String,
    store: Arc<dyn Store>,
    unwritten: Unwritten,
    /// What would be in the store: a value, or nothing any more.
    entries: Mutex<HashMap<Vec<u8>, Option<Bytes>>>,
    /// What would be counted.
    events: Mutex<HashMap<Vec<u8>, Vec<Counted>>>,
}

#[derive(Clone, Debug)]
enum Counted {
    Amount(u64),
    Distinct(Vec<u8>),
}

impl Counted {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Amount(amount) => Self::Amount(amount),
            Event::Distinct(value) => Self::Distinct(value.to_vec()),
        }
    }

    fn event(&self) -> Event<'_> {
        match self {
            Self::Amount(amount) => Event::Amount(*amount),
            Self::Distinct(value) => Event::Distinct(value),
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => amount.fmt(f),
            Self::Distinct(value) => String::from_utf8_lossy(value).fmt(f),
        }
    }
}

impl ReadStore {
    pub(super) fn new(name: String, store: Arc<dyn Store>, unwritten: Unwritten) -> Self {
        Self {
            name,
            store,
            unwritten,
            entries: Mutex::default(),
            events: Mutex::default(),
        }
    }

    async fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let own = lock(&self.entries).get(key).cloned();
        match own {
            Some(value) => Ok(value),
            None => self.store.get(key).await,
        }
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        let value = Bytes::copy_from_slice(value);
        lock(&self.entries).insert(key.to_vec(), Some(value));
        self.tell("set", key);
    }

    fn remove(&self, key: &[u8]) {
        lock(&self.entries).insert(key.to_vec(), None);
        self.tell("delete", key);
    }

    fn tell(&self, verb: &str, key: &[u8]) {
        let (name, key) = (&self.name, String::from_utf8_lossy(key));
        self.unwritten
            .tell(format!("would {verb} `{key}` in {name}"));
    }

    async fn counted(
        &self,
        key: &[u8],
        windows: &Windows,
        event: Event<'_>,
    ) -> Result<Usage, StoreError> {
        let mut all = lock(&self.events).get(key).cloned().unwrap_or_default();
        all.push(Counted::of(event));
        let events: Vec<_> = all.iter().map(Counted::event).collect();
        let usage = self.store.preview(key, windows, &events).await?;
        if usage.allowed || windows.counts_all() {
            self.tell(&format!("count {} for", Counted::of(event)), key);
            lock(&self.events).insert(key.to_vec(), all);
        }
        Ok(usage)
    }
}

impl Store for ReadStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        Box::pin(self.value(key))
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], _: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.put(key, value);
            Ok(())
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        _: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            let is_absent = self.value(key).await?.is_none();
            if is_absent {
                self.put(key, value);
            }
            Ok(is_absent)
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        _: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            let is_expected = self.value(key).await?.as_deref() == Some(expected);
            if is_expected {
                self.put(key, value);
            }
            Ok(is_expected)
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, _: Option<Duration>) -> Answer<'a, u64> {
        Box::pin(async move {
            let value = self.value(key).await?;
            let value = value.as_deref().map_or(Some(0), |value| {
                str::from_utf8(value).ok()?.parse::<u64>().ok()
            });
            let sum = value.ok_or(StoreError::NotANumber)?.saturating_add(delta);
            self.put(key, sum.to_string().as_bytes());
            Ok(sum)
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let is_there = self.value(key).await?.is_some();
            if is_there {
                self.remove(key);
            }
            Ok(is_there)
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let is_expected = self.value(key).await?.as_deref() == Some(expected);
            if is_expected {
                self.remove(key);
            }
            Ok(is_expected)
        })
    }

    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage> {
        Box::pin(self.counted(key, windows, event))
    }

    fn count_once<'a>(
        &'a self,
        mark: Mark<'a>,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Option<Usage>> {
        Box::pin(async move {
            if self.value(mark.key).await?.is_some() {
                return Ok(None);
            }
            let usage = self.counted(key, windows, event).await?;
            if usage.allowed || windows.counts_all() {
                self.put(mark.key, b"1");
            }
            Ok(Some(usage))
        })
    }

    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage> {
        self.store.preview(key, windows, events)
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        self.store.usage(key, windows)
    }

    /// Nobody is kept waiting, and who has the lock does not matter.
    fn lock_and_get<'a>(&'a self, _: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        Box::pin(async move { Ok(Locked::Held(self.value(key).await?)) })
    }

    /// A session is kept after each request, which nobody needs to be told.
    fn set_and_unlock<'a>(
        &'a self,
        _: Lock<'a>,
        _: &'a [u8],
        _: &'a [u8],
        _: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn breakers(&self) -> Vec<Breaker> {
        self.store.breakers()
    }
}
