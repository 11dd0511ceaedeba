//! The table of a store, within a transaction.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::error;
use crate::{
    StoreError,
    store::{number, sum},
    wall_clock::expiry_ms,
};

const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS policy_store (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        value BLOB NOT NULL,
        expires INTEGER
    );
    CREATE INDEX IF NOT EXISTS policy_store_expires ON policy_store (expires) WHERE expires IS NOT NULL;
";

/// Where nothing may be written an empty table stands for one that is missing, as long as the connection is open.
const CREATE_EMPTY: &str = "
    CREATE TEMP TABLE IF NOT EXISTS policy_store (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
    )
";

/// Makes the table and its index if they are missing; only then does it wait for others that write.
pub(super) fn create(connection: &Connection, is_read_only: bool) -> rusqlite::Result<()> {
    let index = "SELECT 1 FROM sqlite_master WHERE name = 'policy_store_expires'";
    let is_there = connection
        .query_row(index, [], |_| Ok(()))
        .optional()?
        .is_some();
    if is_there {
        return Ok(());
    }
    connection.execute_batch(if is_read_only { CREATE_EMPTY } else { CREATE })
}

/// The table within a transaction.
pub(super) struct Table<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: u64,
}

impl Table<'_> {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        get(self.connection, key, self.now).map_err(error)
    }

    /// The row gets a new number, so that the lowest one was written longest ago.
    pub(super) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let query = "INSERT OR REPLACE INTO policy_store (key, value, expires) VALUES (?1, ?2, ?3)";
        self.execute(query, params![key, value, expiry_ms(self.now, ttl)])?;
        Ok(())
    }

    /// True if the key had what is expected, so that it has the value now.
    pub(super) fn set_if(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let is_expected = self.get(key)?.as_deref() == expected;
        if is_expected {
            self.set(key, value, ttl)?;
        }
        Ok(is_expected)
    }

    /// The sum. The time to live is for a key without a value; that of others stays.
    pub(super) fn add(
        &self,
        key: &[u8],
        delta: u64,
        ttl: Option<Duration>,
    ) -> Result<u64, StoreError> {
        let Some(value) = self.get(key)? else {
            let sum = sum(0, delta)?;
            self.set(key, sum.to_string().as_bytes(), ttl)?;
            return Ok(sum);
        };
        let sum = sum(number(&value)?, delta)?;
        self.execute(
            "UPDATE policy_store SET value = ?2 WHERE key = ?1",
            params![key, sum.to_string().as_bytes()],
        )?;
        Ok(sum)
    }

    /// True if it was there, and its time was not over.
    pub(super) fn delete(&self, key: &[u8]) -> Result<bool, StoreError> {
        let was_there = self.get(key)?.is_some();
        self.execute("DELETE FROM policy_store WHERE key = ?1", params![key])?;
        Ok(was_there)
    }

    pub(super) fn clear(&self, prefix: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM policy_store WHERE substr(key, 1, ?2) = ?1",
            params![prefix, prefix.len()],
        )?;
        Ok(())
    }

    fn execute(&self, query: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(query).map_err(error)?;
        statement.execute(params).map_err(error)
    }

    /// Deletes what is over, and what is too much, some of it at a time.
    pub(super) fn clean(&self, most: u64) -> rusqlite::Result<()> {
        let over = "DELETE FROM policy_store WHERE id IN \
            (SELECT id FROM policy_store WHERE expires <= ?1 ORDER BY expires LIMIT 8192)";
        self.connection
            .prepare_cached(over)?
            .execute(params![self.now])?;
        let count = "SELECT count(*) FROM policy_store";
        let count: u64 = self
            .connection
            .prepare_cached(count)?
            .query_row([], |row| row.get(0))?;
        let oldest = "DELETE FROM policy_store WHERE id IN \
            (SELECT id FROM policy_store ORDER BY id LIMIT ?1)";
        let too_many = count.saturating_sub(most).min(8192);
        if too_many > 0 {
            self.connection
                .prepare_cached(oldest)?
                .execute(params![too_many])?;
        }
        Ok(())
    }
}

pub(super) fn get(
    connection: &Connection,
    key: &[u8],
    now: u64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let query =
        "SELECT value FROM policy_store WHERE key = ?1 AND (expires IS NULL OR expires > ?2)";
    let mut statement = connection.prepare_cached(query)?;
    statement
        .query_row(params![key, now], |row| row.get(0))
        .optional()
}
