//! A store in a table of a database that hosts share.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::timeout;

use super::table::Table;
use crate::{
    Answer, Breaker, Event, Lock, Locked, Sql, Store, StoreError, Usage, Value, Windows,
    store::{check_value, number, short_key, sum},
    wall_clock::{expiry_ms, now_ms},
    window::{WindowState, check_event},
};

/// How often a change is tried that others always forestall.
const MAX_TRIES: u32 = 64;

/// After how many writes entries whose time is over are deleted: more at a time than can have come.
const CLEAN_EVERY: u64 = 1024;

/// How long a key of the table may be.
const MAX_ID_LEN: usize = 255;

/// A store in the table `policy_store` of MariaDB, MySQL or PostgreSQL; for SQLite there is `SqliteStore`. The hosts'
/// clocks have to agree: they say when an entry's time is over. It has no bound but the database's disk; entries whose
/// time is over are deleted, and all that a policy server keeps has a time.
#[derive(Clone, Debug)]
pub struct SqlStore {
    sql: Arc<dyn Sql>,
    table: &'static Table,
    writes: Arc<AtomicU64>,
}

impl SqlStore {
    /// Makes the table if it is missing; where the user may not, it has to be there.
    ///
    /// # Errors
    ///
    /// The error that keeps it from being made, if it is not there.
    pub async fn new(sql: Arc<dyn Sql>) -> Result<Self, StoreError> {
        let table = Table::of(sql.dialect())?;
        let mut made = Ok(0);
        for statement in table.create {
            made = made.and(sql.execute(statement, &[]).await);
        }
        // Another host may have made it at the same time.
        if let Err(error) = made {
            let params = [Value::from(&b""[..]), time(0)];
            sql.rows(table.get, &params).await.map_err(|_| error)?;
        }
        Ok(Self {
            sql,
            table,
            writes: Arc::default(),
        })
    }

    /// Several queries have no more time than one.
    fn in_time<'a, T>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> Answer<'a, T> {
        let deadline = self.sql.deadline();
        Box::pin(async move {
            timeout(deadline, work)
                .await
                .unwrap_or(Err(StoreError::TimedOut(deadline)))
        })
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self
            .sql
            .rows(self.table.get, &[id(key), time(now_ms())])
            .await?;
        let value = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        Ok(value.and_then(|value| value.text().map(|text| text.into_owned())))
    }

    /// True if a row was changed.
    async fn write(&self, query: &str, params: &[Value]) -> Result<bool, StoreError> {
        if self.writes.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY == CLEAN_EVERY - 1 {
            // Making room must not keep anything from being written.
            let _ = self.sql.execute(self.table.clean, &[time(now_ms())]).await;
        }
        Ok(self.sql.execute(query, params).await? > 0)
    }

    async fn insert(
        &self,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let now = now_ms();
        let mut params = vec![id(key), value.into(), end(now, ttl)];
        params.extend((0..self.table.times_of_insert).map(|_| time(now)));
        self.write(self.table.insert, &params).await
    }

    async fn update(
        &self,
        key: &[u8],
        expected: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let now = now_ms();
        let params = [
            value.into(),
            end(now, ttl),
            id(key),
            expected.into(),
            time(now),
        ];
        self.write(self.table.update, &params).await
    }

    /// Changes a value by what it is; after a change in between, once more. Without a new time to live the old one
    /// stays.
    async fn change<T>(
        &self,
        key: &[u8],
        ttl_if_new: Option<Duration>,
        new_ttl: Option<Duration>,
        change: impl Fn(Option<&[u8]>) -> Result<(Vec<u8>, T), StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..MAX_TRIES {
            let old = self.read(key).await?;
            let (new, result) = change(old.as_deref())?;
            let is_done = match (&old, new_ttl) {
                (None, _) => self.insert(key, &new, ttl_if_new).await?,
                (Some(old), Some(ttl)) => self.update(key, old, &new, Some(ttl)).await?,
                (Some(old), None) => {
                    let params = [
                        new.as_slice().into(),
                        id(key),
                        old.as_slice().into(),
                        time(now_ms()),
                    ];
                    self.write(self.table.replace, &params).await?
                }
            };
            if is_done {
                return Ok(result);
            }
        }
        Err(StoreError::Contended)
    }
}

impl Store for SqlStore {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Bytes>> {
        self.in_time(async move { Ok(self.read(key).await?.map(Bytes::from)) })
    }

    fn set<'a>(&'a self, key: &'a [u8], value: &'a [u8], ttl: Option<Duration>) -> Answer<'a, ()> {
        self.in_time(async move {
            check_value(value)?;
            let params = [id(key), value.into(), end(now_ms(), ttl)];
            self.write(self.table.set, &params).await?;
            Ok(())
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.in_time(async move {
            check_value(value)?;
            self.insert(key, value, ttl).await
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a [u8],
        expected: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.in_time(async move {
            check_value(value)?;
            self.update(key, expected, value, ttl).await
        })
    }

    fn add<'a>(&'a self, key: &'a [u8], delta: u64, ttl: Option<Duration>) -> Answer<'a, u64> {
        self.in_time(async move {
            self.change(key, ttl, None, |value| {
                let sum = sum(value.map_or(Ok(0), number)?, delta)?;
                Ok((sum.to_string().into_bytes(), sum))
            })
            .await
        })
    }

    fn delete<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        self.in_time(async move {
            self.write(self.table.delete, &[id(key), time(now_ms())])
                .await
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a [u8], expected: &'a [u8]) -> Answer<'a, bool> {
        self.in_time(async move {
            let params = [id(key), time(now_ms()), expected.into()];
            self.write(self.table.delete_value, &params).await
        })
    }

    fn count<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        event: Event<'a>,
    ) -> Answer<'a, Usage> {
        self.in_time(async move {
            check_event(windows, event)?;
            let ttl = Some(Duration::from_millis(windows.span_ms()));
            self.change(key, ttl, ttl, |value| {
                let mut state = WindowState::decode(value.unwrap_or_default());
                let usage = state.count(now_ms(), windows, event);
                Ok((state.encode(), usage))
            })
            .await
        })
    }

    fn preview<'a>(
        &'a self,
        key: &'a [u8],
        windows: &'a Windows,
        events: &'a [Event<'a>],
    ) -> Answer<'a, Usage> {
        self.in_time(async move {
            let state = WindowState::decode(&self.read(key).await?.unwrap_or_default());
            state.preview(now_ms(), windows, events)
        })
    }

    fn usage<'a>(&'a self, key: &'a [u8], windows: &'a Windows) -> Answer<'a, Usage> {
        self.in_time(async move {
            let state = WindowState::decode(&self.read(key).await?.unwrap_or_default());
            Ok(state.usage(now_ms(), windows))
        })
    }

    fn lock_and_get<'a>(&'a self, lock: Lock<'a>, key: &'a [u8]) -> Answer<'a, Locked> {
        self.in_time(async move {
            check_value(lock.owner)?;
            if !self.insert(lock.key, lock.owner, Some(lock.ttl)).await? {
                return Ok(Locked::Busy);
            }
            Ok(Locked::Held(self.read(key).await?.map(Bytes::from)))
        })
    }

    fn set_and_unlock<'a>(
        &'a self,
        lock: Lock<'a>,
        key: &'a [u8],
        value: &'a [u8],
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.in_time(async move {
            // The lock is kept while the value is written.
            let is_held = self
                .update(lock.key, lock.owner, lock.owner, Some(lock.ttl))
                .await?;
            if !is_held {
                return Ok(false);
            }
            self.set(key, value, ttl).await?;
            self.compare_and_delete(lock.key, lock.owner).await?;
            Ok(true)
        })
    }

    fn breakers(&self) -> Vec<Breaker> {
        vec![self.sql.breaker().clone()]
    }
}

fn id(key: &[u8]) -> Value {
    Value::Bytes(short_key(key, MAX_ID_LEN, |_| true))
}

fn time(ms: u64) -> Value {
    Value::Int(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// No end is one that no clock reaches.
fn end(now: u64, ttl: Option<Duration>) -> Value {
    time(expiry_ms(now, ttl).unwrap_or(u64::MAX))
}
