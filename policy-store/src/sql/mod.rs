//! Queries to a database: the same interface for SQLite, MariaDB or MySQL, and PostgreSQL.

mod dsn;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(test, feature = "postgres"))]
mod placeholder;
#[cfg(feature = "postgres")]
mod postgres;
mod store;
mod table;
mod value;

use std::{fmt, time::Duration};

use crate::{Answer, Breaker, RemoteOptions};
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
use crate::{StoreError, store::check_limit};

pub use self::dsn::{Driver, Dsn, InvalidDsn};
#[cfg(feature = "mysql")]
pub use self::mysql::Mysql;
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
pub use self::{
    store::SqlStore,
    value::{Row, Value},
};

/// A database that is asked with `?` in the places of values.
pub trait Sql: fmt::Debug + Send + Sync {
    /// The rows that a query gives.
    ///
    /// # Errors
    ///
    /// [`Refused`](crate::StoreError::Refused) for a query that the database does not take,
    /// [`TooLarge`](crate::StoreError::TooLarge) for too many rows, and each that is an outage.
    fn rows<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, Vec<Row>>;

    /// Does what a statement says, and tells how many rows it has changed, inserted or deleted.
    ///
    /// # Errors
    ///
    /// As those of [`rows`](Self::rows).
    fn execute<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, u64>;

    /// The dialect of its SQL.
    fn dialect(&self) -> Dialect;

    /// How long a call may take.
    fn deadline(&self) -> Duration;

    /// The breaker of the database.
    fn breaker(&self) -> &Breaker;
}

/// The dialect of SQL, where they differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// MariaDB and MySQL.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

/// How a database server is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqlOptions {
    /// Deadline and breaker. The deadline is also the server's own limit for a statement.
    pub remote: RemoteOptions,
    /// How many connections there are at most. 8: what is asked comes from a few workers, and each costs the server a
    /// thread or a process.
    pub max_connections: usize,
    /// Whether the server is to refuse all that writes. No.
    pub read_only: bool,
    /// How many rows, and bytes in all, an answer may have. 10,000 and 16 MiB.
    pub max_rows: usize,
    /// See `max_rows`.
    pub max_bytes: usize,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            remote: RemoteOptions::default(),
            max_connections: 8,
            read_only: false,
            max_rows: 10_000,
            max_bytes: 16 << 20,
        }
    }
}

/// How many rows and bytes an answer has so far, and may have.
#[derive(Debug)]
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub(crate) struct RowLimit {
    rows: usize,
    bytes: usize,
    max_rows: usize,
    max_bytes: usize,
}

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
impl RowLimit {
    pub(crate) fn new(max_rows: usize, max_bytes: usize) -> Self {
        Self {
            rows: 0,
            bytes: 0,
            max_rows,
            max_bytes,
        }
    }

    pub(crate) fn count(&mut self, row: &[Value]) -> Result<(), StoreError> {
        self.rows += 1;
        self.bytes += row.iter().map(Value::size).sum::<usize>();
        check_limit(self.rows, self.max_rows, "rows of an answer")?;
        check_limit(self.bytes, self.max_bytes, "bytes of an answer")
    }
}
