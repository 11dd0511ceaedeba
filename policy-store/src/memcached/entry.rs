//! A key on its server, and what is done to it: within one call of the server's guard.

use std::time::Duration;

use super::{
    commands::{Commands, exptime},
    replies::{Reply, is_in_range},
    server::Server,
};
use crate::{
    Event, StoreError, Usage, Windows,
    store::{number, sum},
    wall_clock::now_ms,
    window::WindowState,
};

/// How often a change is tried that others always forestall.
const MAX_TRIES: u32 = 256;

/// An end that has passed: memcached deletes the entry.
pub(super) const PAST: i64 = -1;

/// From here on a sum is checked before it is made, since memcached cannot take it back.
const LARGE: u64 = 1 << 31;

/// A key on its server.
pub(super) struct Entry<'a> {
    pub(super) server: &'a Server,
    pub(super) name: Vec<u8>,
}

impl Entry<'_> {
    /// The value, and the number of its writing.
    pub(super) async fn get(&self) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let commands = Commands::default().gets(&self.name);
        let replies = self.server.exchange(commands).await?;
        match replies.into_iter().next() {
            Some(Reply::Value { data, unique }) => Ok(Some((data, unique))),
            _ => Ok(None),
        }
    }

    pub(super) async fn line(&self, command: Commands) -> Result<Reply, StoreError> {
        let replies = self.server.exchange(command).await?;
        replies
            .into_iter()
            .next()
            .ok_or_else(|| StoreError::Protocol("no reply".into()))
    }

    pub(super) fn storage(&self, verb: &str, value: &[u8], ttl: Option<Duration>) -> Commands {
        Commands::default().storage(verb, &self.name, value, exptime(ttl, now_ms()), None)
    }

    pub(super) async fn set(&self, value: &[u8], ttl: Option<Duration>) -> Result<(), StoreError> {
        match self.line(self.storage("set", value, ttl)).await? {
            Reply::Stored => Ok(()),
            reply => Err(odd(&reply)),
        }
    }

    pub(super) async fn insert(
        &self,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        match self.line(self.storage("add", value, ttl)).await? {
            Reply::Stored => Ok(true),
            Reply::NotStored => Ok(false),
            reply => Err(odd(&reply)),
        }
    }

    /// Writes a value if it was not written since it was read.
    async fn replace(&self, value: &[u8], exptime: i64, unique: u64) -> Result<bool, StoreError> {
        let command = Commands::default().storage("cas", &self.name, value, exptime, Some(unique));
        match self.line(command).await? {
            Reply::Stored => Ok(true),
            Reply::Exists | Reply::NotFound => Ok(false),
            reply => Err(odd(&reply)),
        }
    }

    /// Writes a value, or deletes it, if it is the expected one.
    pub(super) async fn compare(
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

    pub(super) async fn add(&self, delta: u64, ttl: Option<Duration>) -> Result<u64, StoreError> {
        sum(0, delta)?;
        if delta >= LARGE
            && let Some((value, _)) = self.get().await?
        {
            sum(number(&value)?, delta)?;
        }
        let word = delta.to_string();
        let change = |verb| self.line(Commands::default().word(verb, &self.name, &word));
        for _ in 0..MAX_TRIES {
            match change("incr").await? {
                Reply::Number(sum) if is_in_range(sum) => return Ok(sum),
                Reply::Number(_) => {
                    change("decr").await?;
                    return Err(StoreError::Overflow);
                }
                Reply::NotFound => {}
                reply => return Err(odd(&reply)),
            }
            if self.insert(word.as_bytes(), ttl).await? {
                return Ok(delta);
            }
        }
        Err(StoreError::Contended)
    }

    pub(super) async fn count(
        &self,
        windows: &Windows,
        event: Event<'_>,
    ) -> Result<Usage, StoreError> {
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
}

/// The error of a reply that the command does not have.
pub(super) fn odd<'a>(reply: impl Into<Option<&'a Reply>>) -> StoreError {
    let name = reply.into().map_or("nothing", Reply::name);
    StoreError::Protocol(name.into())
}
