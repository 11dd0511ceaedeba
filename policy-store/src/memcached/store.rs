//! A store on one memcached, or several.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    MemcachedOptions,
    commands::{Commands, exptime, is_plain_key},
    entry::{Entry, PAST, odd},
    held::Locks,
    replies::Reply,
    ring::Ring,
    server::Server,
};
use crate::{
    Answer, Breaker, Event, Lock, Locked, Store, StoreError, Usage, Windows,
    store::{check_value, short_key, windows},
    wall_clock::now_ms,
    window::check_event,
};

/// How long a key may be on a server, its prefix included.
const MAX_LEN: usize = 250;

/// A store on memcached. All calls share one connection to each server. Keys are as they are where memcached takes them, and else their SHA-256: so any bytes do, and
/// none is a command. What is counted over windows is read and written by comparing, with the hosts' clocks.
///
/// A reply is taken for that of the oldest call that waits, and a value also by its key. What nobody asked for, or is none of
/// memcached's, ends the connection for all calls that wait; the next one has a new connection.
#[derive(Clone, Debug)]
pub struct MemcachedStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    servers: Vec<Server>,
    ring: Ring,
    prefix: String,
    locks: Locks,
}

impl MemcachedStore {
    /// Connects when it is asked something.
    ///
    /// # Errors
    ///
    /// No server, an address that is none, a prefix that no key may have.
    pub fn new(options: MemcachedOptions) -> Result<Self, StoreError> {
        let refuse = |text: &str| Err(StoreError::Refused(text.into()));
        if options.servers.is_empty() {
            return refuse("no server");
        }
        let prefix = options.prefix.as_bytes();
        if !(prefix.is_empty() || is_plain_key(prefix)) || prefix.len() > MAX_LEN - 71 {
            return refuse("the prefix is too long, or has blanks or control characters");
        }
        let servers: Result<_, _> = options
            .servers
            .iter()
            .map(|server| Server::new(server, &options))
            .collect();
        let ring = Ring::new(options.servers.iter().map(|server| server.name.as_str()));
        let inner = Inner {
            servers: servers?,
            ring,
            prefix: options.prefix,
            locks: Locks::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    fn entry(&self, key: &[u8]) -> Result<Entry<'_>, StoreError> {
        let Inner {
            servers,
            ring,
            prefix,
            ..
        } = &*self.inner;
        let server = match &servers[..] {
            // The ring takes a hash of the key.
            [only] => Some(only),
            all => all.get(ring.server(key)),
        };
        let server = server.ok_or_else(|| StoreError::Refused("no server".into()))?;
        let mut name = short_key(key, MAX_LEN - prefix.len(), is_plain_key);
        if !prefix.is_empty() {
            name = [prefix.as_bytes(), &name].concat();
        }
        Ok(Entry { server, name })
    }
}

impl Store for MemcachedStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let entry = self.entry(key)?;
            let value = entry.server.guard.call(entry.get()).await?;
            Ok(value.map(|(value, _)| value.into()))
        })
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(async move {
            check_value(value)?;
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.set(value, ttl)).await
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            check_value(value)?;
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.insert(value, ttl)).await
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            check_value(value)?;
            let entry = self.entry(key)?;
            let exptime = exptime(ttl, now_ms());
            entry
                .server
                .guard
                .call(entry.compare(expected, value, exptime))
                .await
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64> {
        Box::pin(async move {
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.add(delta, ttl)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let entry = self.entry(key)?;
            let reply = entry.line(Commands::of("delete", &entry.name));
            match entry.server.guard.call(reply).await? {
                Reply::Deleted => Ok(true),
                Reply::NotFound => Ok(false),
                reply => Err(odd(&reply)),
            }
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let entry = self.entry(key)?;
            entry
                .server
                .guard
                .call(entry.compare(expected, b"", PAST))
                .await
        })
    }

    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage> {
        Box::pin(async move {
            check_event(windows, event)?;
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.count(windows, event)).await
        })
    }

    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage> {
        Box::pin(windows::preview(self, key, windows, events))
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        Box::pin(windows::usage(self, key, windows))
    }

    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        Box::pin(async move {
            check_value(lock.owner)?;
            let (entry, of) = (self.entry(lock.key)?, self.entry(key)?);
            entry.lock_and_get(lock, &of, &self.inner.locks).await
        })
    }

    fn set_and_unlock<'a>(
        &'a self,
        lock: Lock<'a>,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            check_value(value)?;
            let (entry, of) = (self.entry(lock.key)?, self.entry(key)?);
            let locks = &self.inner.locks;
            entry.set_and_unlock(lock, locks, &of, value, ttl).await
        })
    }

    fn breakers(&self) -> Vec<Breaker> {
        self.inner
            .servers
            .iter()
            .map(|server| server.guard.breaker().clone())
            .collect()
    }
}
