//! A store in a table of a database file: it survives a restart, and processes share it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rusqlite::Connection;

use super::{
    count::Count,
    error::error,
    file::Sqlite,
    point::{SqlitePoint, entries_after},
    table::{Table, get},
    thread::Work,
};
use crate::{
    Answer, Breaker, Event, Lock, Locked, Mark, Store, StoreError, Usage, Windows,
    store::{check_value, own_key, windows},
    wall_clock::now_ms,
};

/// How many entries a file holds, if nothing else is said.
const MAX_ENTRIES: u64 = 1_000_000;

/// A store in the table `policy_store` of a file. It is bounded: when it is full, entries whose time is over leave, and
/// then those that were written longest ago.
///
/// Processes of one host and one user may share it; a network's file system does not do for that. For several users make
/// an empty file with mode 0660 first, in a directory with mode 2770, both of a group that all of them are in: SQLite makes
/// files beside it. A file that is removed, replaced or cut to nothing is noticed within a second or with the next call, and
/// the new one is used: see [`Sqlite::replaced`].
#[derive(Clone, Debug)]
pub struct SqliteStore {
    file: Sqlite,
    max_entries: u64,
    /// Writes since the table was last cleaned.
    writes: Arc<AtomicU64>,
}

impl SqliteStore {
    /// Makes the table if it is missing. As [`Sqlite::open`], it waits ten seconds for a file that is locked.
    ///
    /// # Errors
    ///
    /// The error that keeps it from being made.
    pub async fn new(file: Sqlite) -> Result<Self, StoreError> {
        file.run_at_start(|opened| opened.with_table().map(|_| ()))
            .await?;
        Ok(Self {
            file,
            max_entries: MAX_ENTRIES,
            writes: Arc::default(),
        })
    }

    /// How many entries it holds at most, give or take a sixty-fourth. 1,000,000.
    pub fn max_entries(mut self, most: u64) -> Self {
        self.max_entries = most.max(1);
        self
    }

    /// The live entries whose keys begin so, at most so many, those written longest ago first.
    ///
    /// # Errors
    ///
    /// As those of [`Store`].
    pub async fn entries(
        &self,
        prefix: &[u8],
        most: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let (entries, _) = self
            .entries_after(prefix, &SqlitePoint::default(), most)
            .await?;
        Ok(entries)
    }

    /// The same of those written after a point, whoever has written them, and the point of now. Some that were written before it may
    /// be among them. What [`add`](Store::add) adds to, and what is deleted, is not told.
    ///
    /// # Errors
    ///
    /// As those of [`Store`].
    pub async fn entries_after(
        &self,
        prefix: &[u8],
        point: &SqlitePoint,
        most: usize,
    ) -> Result<(Vec<(Bytes, Bytes)>, SqlitePoint), StoreError> {
        let (prefix, point) = (prefix.to_vec(), point.clone());
        self.read(move |connection, now| entries_after(connection, now, &prefix, &point, most))
            .await
    }

    /// Forgets all entries whose keys begin so: all or, if it fails, none.
    ///
    /// # Errors
    ///
    /// As those of [`Store`].
    pub async fn clear(&self, prefix: &[u8]) -> Result<(), StoreError> {
        let prefix = prefix.to_vec();
        self.write(move |table| table.clear(&prefix)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection, u64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file
            .run(Work::Read, move |opened| {
                run(opened.with_table()?, now_ms()).map_err(error)
            })
            .await
    }

    async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let every = (self.max_entries / 64).clamp(1, 4096);
        let cleans = self
            .writes
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(every);
        let most = self.max_entries;
        self.file
            .run(Work::Write, move |opened| {
                let table = Table {
                    connection: opened.with_table()?,
                    now: now_ms(),
                };
                let result = run(&table);
                if cleans {
                    table.clean(most).map_err(error)?;
                }
                result
            })
            .await
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let key = own_key(key);
            let value = self
                .read(move |connection, now| get(connection, &key, now))
                .await?;
            Ok(value.map(Bytes::from))
        })
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(async move {
            check_value(value)?;
            let (key, value) = (own_key(key), value.to_vec());
            self.write(move |table| table.set(&key, &value, ttl)).await
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
            let (key, value) = (own_key(key), value.to_vec());
            self.write(move |table| table.set_if(&key, None, &value, ttl))
                .await
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
            let (key, expected, value) = (own_key(key), expected.to_vec(), value.to_vec());
            self.write(move |table| table.set_if(&key, Some(&expected), &value, ttl))
                .await
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64> {
        Box::pin(async move {
            let key = own_key(key);
            self.write(move |table| table.add(&key, delta, ttl)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let key = own_key(key);
            self.write(move |table| table.delete(&key)).await
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(async move {
            let (key, expected) = (own_key(key), expected.to_vec());
            self.write(move |table| Ok(table.get(&key)? == Some(expected) && table.delete(&key)?))
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
            let count = Count::new(key, windows, event)?;
            self.write(move |table| count.run(table)).await
        })
    }

    fn count_once<'a>(
        &'a self,
        mark: Mark<'a>,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Option<Usage>> {
        Box::pin(async move {
            let (name, ttl) = (own_key(mark.key), mark.ttl);
            let count = Count::new(key, windows, event)?;
            self.write(move |table| count.run_once(&name, ttl, table))
                .await
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
            let (name, owner, ttl) = (own_key(lock.key), lock.owner.to_vec(), lock.ttl);
            let key = own_key(key);
            self.write(move |table| {
                if !table.set_if(&name, None, &owner, Some(ttl))? {
                    return Ok(Locked::Busy);
                }
                Ok(Locked::Held(table.get(&key)?.map(Bytes::from)))
            })
            .await
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
            let (name, owner) = (own_key(lock.key), lock.owner.to_vec());
            let (key, value) = (own_key(key), value.to_vec());
            self.write(move |table| {
                if table.get(&name)? != Some(owner) {
                    return Ok(false);
                }
                table.set(&key, &value, ttl)?;
                table.delete(&name)
            })
            .await
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.file.close())
    }

    fn breakers(&self) -> Vec<Breaker> {
        vec![self.file.breaker().clone()]
    }
}
