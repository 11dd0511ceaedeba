//! A store on one memcached, or several.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    MemcachedOptions,
    protocol::{Expect, Reply, command, exptime, is_in_range, is_plain_key, storage},
    ring::Ring,
    server::Server,
};
use crate::{
    Answer, Breaker, Event, Lock, Locked, Store, StoreError, Usage, Windows,
    store::{check_size, number, short_key, sum},
    wall_clock::now_ms,
    window::{WindowState, check_event},
};

/// How long a key may be on a server, its prefix included.
const MAX_LEN: usize = 250;

/// How often a change is tried that others always forestall.
const MAX_TRIES: u32 = 256;

/// An end that has passed: memcached deletes the entry.
const PAST: i64 = -1;

/// From here on a sum is checked before it is made, since memcached cannot take it back.
const LARGE: u64 = 1 << 31;

/// A store on memcached. Keys are as they are where memcached takes them, and else their SHA-256: so any bytes do, and
/// none is a command. What is counted over windows is read and written by comparing, with the hosts' clocks.
#[derive(Clone, Debug)]
pub struct MemcachedStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    servers: Vec<Server>,
    ring: Ring,
    prefix: String,
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
        } = &*self.inner;
        let server = servers.get(ring.server(key));
        let server = server.ok_or_else(|| StoreError::Refused("no server".into()))?;
        let mut name = prefix.clone().into_bytes();
        name.extend(short_key(key, MAX_LEN - name.len(), is_plain_key));
        Ok(Entry { server, name })
    }
}

/// A key on its server.
struct Entry<'a> {
    server: &'a Server,
    name: Vec<u8>,
}

impl Entry<'_> {
    /// The value, and the number of its writing.
    async fn get(&self) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let replies = self
            .server
            .exchange(&self.get_command(), &[self.value()])
            .await?;
        match replies.into_iter().next() {
            Some(Reply::Value { data, unique }) => Ok(Some((data, unique))),
            _ => Ok(None),
        }
    }

    fn get_command(&self) -> Vec<u8> {
        command("gets", &self.name, "")
    }

    fn value(&self) -> Expect<'_> {
        Expect::Value(&self.name)
    }

    async fn line(&self, command: Vec<u8>) -> Result<Reply, StoreError> {
        let replies = self.server.exchange(&command, &[Expect::Line]).await?;
        replies
            .into_iter()
            .next()
            .ok_or_else(|| StoreError::Protocol("no reply".into()))
    }

    fn storage(&self, verb: &str, value: &[u8], ttl: Option<Duration>) -> Vec<u8> {
        storage(verb, &self.name, value, exptime(ttl, now_ms()), None)
    }

    async fn set(&self, value: &[u8], ttl: Option<Duration>) -> Result<(), StoreError> {
        match self.line(self.storage("set", value, ttl)).await? {
            Reply::Stored => Ok(()),
            reply => Err(odd(&reply)),
        }
    }

    async fn insert(&self, value: &[u8], ttl: Option<Duration>) -> Result<bool, StoreError> {
        match self.line(self.storage("add", value, ttl)).await? {
            Reply::Stored => Ok(true),
            Reply::NotStored => Ok(false),
            reply => Err(odd(&reply)),
        }
    }

    /// Writes a value if it was not written since it was read.
    async fn replace(&self, value: &[u8], exptime: i64, unique: u64) -> Result<bool, StoreError> {
        match self
            .line(storage("cas", &self.name, value, exptime, Some(unique)))
            .await?
        {
            Reply::Stored => Ok(true),
            Reply::Exists | Reply::NotFound => Ok(false),
            reply => Err(odd(&reply)),
        }
    }

    /// Writes a value, or deletes it, if it is the expected one.
    async fn compare(
        &self,
        expected: &[u8],
        value: &[u8],
        exptime: i64,
    ) -> Result<bool, StoreError> {
        for _ in 0..MAX_TRIES {
            let unique = match self.get().await? {
                Some((found, unique)) if found == expected => unique,
                _ => return Ok(false),
            };
            if self.replace(value, exptime, unique).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    async fn add(&self, delta: u64, ttl: Option<Duration>) -> Result<u64, StoreError> {
        sum(0, delta)?;
        if delta >= LARGE
            && let Some((value, _)) = self.get().await?
        {
            sum(number(&value)?, delta)?;
        }
        for _ in 0..MAX_TRIES {
            match self
                .line(command("incr", &self.name, &delta.to_string()))
                .await?
            {
                Reply::Number(sum) if is_in_range(sum) => return Ok(sum),
                Reply::Number(_) => {
                    self.line(command("decr", &self.name, &delta.to_string()))
                        .await?;
                    return Err(StoreError::Overflow);
                }
                Reply::NotFound => {}
                reply => return Err(odd(&reply)),
            }
            if self.insert(delta.to_string().as_bytes(), ttl).await? {
                return Ok(delta);
            }
        }
        Err(StoreError::Contended)
    }

    async fn count(&self, windows: &Windows, event: Event<'_>) -> Result<Usage, StoreError> {
        let ttl = Some(Duration::from_millis(windows.span_ms()));
        for _ in 0..MAX_TRIES {
            let found = self.get().await?;
            let bytes = found.as_ref().map(|(bytes, _)| bytes.as_slice());
            let mut state = WindowState::decode(bytes.unwrap_or_default());
            let usage = state.count(now_ms(), windows, event);
            let is_done = match found {
                Some((_, unique)) => {
                    self.replace(&state.encode(), exptime(ttl, now_ms()), unique)
                        .await?
                }
                None => self.insert(&state.encode(), ttl).await?,
            };
            if is_done {
                return Ok(usage);
            }
        }
        Err(StoreError::Contended)
    }

    /// Takes the lock that this entry is, and reads a value, in one round trip if both are on one server.
    async fn lock_and_get(&self, lock: Lock<'_>, of: &Entry<'_>) -> Result<Locked, StoreError> {
        if !std::ptr::eq(self.server, of.server) {
            if !self.insert(lock.owner, Some(lock.ttl)).await? {
                return Ok(Locked::Busy);
            }
            return Ok(Locked::Held(of.get().await?.map(|(value, _)| value.into())));
        }
        let mut commands = self.storage("add", lock.owner, Some(lock.ttl));
        commands.extend(of.get_command());
        let replies = self
            .server
            .exchange(&commands, &[Expect::Line, of.value()])
            .await?;
        let mut replies = replies.into_iter();
        match (replies.next(), replies.next()) {
            (Some(Reply::NotStored), _) => Ok(Locked::Busy),
            (Some(Reply::Stored), Some(Reply::Value { data, .. })) => {
                Ok(Locked::Held(Some(data.into())))
            }
            (Some(Reply::Stored), Some(Reply::End)) => Ok(Locked::Held(None)),
            (first, _) => Err(odd(&first)),
        }
    }

    /// Gives back the lock that this entry is: a value that was deleted, or taken by another, is not.
    async fn set_and_unlock(
        &self,
        lock: Lock<'_>,
        of: &Entry<'_>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let Some((owner, unique)) = self.get().await? else {
            return Ok(false);
        };
        if owner != lock.owner {
            return Ok(false);
        }
        let unlock = storage("cas", &self.name, b"", PAST, Some(unique));
        if !std::ptr::eq(self.server, of.server) {
            of.set(value, ttl).await?;
            self.line(unlock).await?;
            return Ok(true);
        }
        let mut commands = of.storage("set", value, ttl);
        commands.extend(unlock);
        let replies = self.server.exchange(&commands, &[Expect::Line; 2]).await?;
        match replies.first() {
            Some(Reply::Stored) => Ok(true),
            reply => Err(odd(&reply)),
        }
    }
}

fn odd(reply: &impl std::fmt::Debug) -> StoreError {
    StoreError::Protocol(format!("{reply:?}"))
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
            check_size(key, value)?;
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
            check_size(key, value)?;
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
            check_size(key, value)?;
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
            check_size(key, b"")?;
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.add(delta, ttl)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let entry = self.entry(key)?;
            let reply = entry.line(command("delete", &entry.name, ""));
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
            check_size(key, b"")?;
            check_event(windows, event)?;
            let entry = self.entry(key)?;
            entry.server.guard.call(entry.count(windows, event)).await
        })
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        Box::pin(async move {
            let state = WindowState::decode(&self.get(key).await?.unwrap_or_default());
            Ok(state.usage(now_ms(), windows))
        })
    }

    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        Box::pin(async move {
            check_size(lock.key, lock.owner)?;
            let (entry, of) = (self.entry(lock.key)?, self.entry(key)?);
            entry.server.guard.call(entry.lock_and_get(lock, &of)).await
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
            check_size(key, value)?;
            let (entry, of) = (self.entry(lock.key)?, self.entry(key)?);
            entry
                .server
                .guard
                .call(entry.set_and_unlock(lock, &of, value, ttl))
                .await
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
