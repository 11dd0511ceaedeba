//! Stores and look-ups for policy servers, each with a deadline.
//!
//! A policy server counts messages, keeps tickets and sessions, and asks databases, directories and files. All of that
//! can fail while mail has to be answered. Each call of this crate has a deadline, each remote a [`Breaker`] that
//! answers at once while the remote is away, and no answer of one call is ever taken for another's.
//!
//! # A limit that processes share
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use policy_store::{Event, Sqlite, SqliteOptions, SqliteStore, Store, Windows};
//!
//! let directory = tempfile::tempdir()?;
//! let file = Sqlite::open(SqliteOptions::new(directory.path().join("limits.sqlite"))).await?;
//! let store = SqliteStore::new(file).await?;
//!
//! // At most 2 messages a minute and 100 a day; whichever is used up first denies.
//! let windows: Windows = "2/1m, 100/1d".parse()?;
//! for allowed in [true, true, false] {
//!     let usage = store.count(b"alice@example.com", &windows, Event::Amount(1)).await?;
//!     assert_eq!(usage.allowed, allowed);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # The parts
//!
//! | to | use |
//! | --- | --- |
//! | remember something for a time | [`Store`]: [`MemoryStore`], [`SqliteStore`], [`RedisStore`], [`MemcachedStore`], [`SqlStore`] |
//! | count events over sliding windows | [`Store::count`] with [`Windows`] |
//! | ask a database | [`Sql`]: [`Sqlite`], [`Mysql`], [`Postgres`]; [`Dsn`] names one |
//! | ask a directory | [`Directory`] |
//! | look something up in a file that may change | [`MapFile`]: Postfix's `hash:`, `cdb:`, `texthash:`, `cidr:`, regular expressions |
//! | know the country of an address | [`Countries`] |
//! | see which remote is away | [`Breaker`] |
//! | read a file that a configuration names | [`read_file`] |
//!
//! # What holds everywhere
//!
//! Everything runs on any tokio runtime, also on a current-thread one, and needs its timer. Times are of tokio's clock,
//! which tests can pause, but where a file or a server keeps them: there the clock is the system's or the server's.
//! Dropping a future gives up what it was doing; a connection in an unknown state is closed, never used again. What was
//! given up or has timed out may still have been done.
//!
//! These tasks are spawned: one for each connection of Redis, PostgreSQL or LDAP, one for each remote that is away,
//! one while a file is read again, and up to four while a cluster of Redis is asked for its nodes. SQLite has a thread
//! of its own. None of them outlives what it belongs to by more than a deadline. MySQL's library closes a connection
//! that was given up in a task, which a server that hangs can hold as long as the connection lives; there are no more
//! of them than connections.
//!
//! Nothing is logged: what goes wrong is returned, and the state of each remote can be watched. No error, no `Debug`
//! output and no state holds a password.
//!
//! # Features
//!
//! | feature | brings |
//! | --- | --- |
//! | `sqlite` (default) | [`Sqlite`], [`SqliteStore`]; compiles SQLite's C sources |
//! | `redis` (default) | [`RedisStore`]: Redis and Valkey, sentinels, a cluster |
//! | `regexp` (default) | regular expressions with Perl's meaning, for [`MapFile`]; compiles PCRE2's C sources |
//! | `geo` (default) | `mmdb` files, for [`Countries`]; `GeoIP.dat` is always read |
//! | `mysql` | [`Mysql`]: MariaDB and MySQL |
//! | `postgres` | [`Postgres`] |
//! | `ldap` | [`Directory`] |
//!
// Without its feature a type's link leads to the features.
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "[`Sqlite`]: #features\n[`SqliteStore`]: #features"
)]
#![cfg_attr(not(feature = "redis"), doc = "[`RedisStore`]: #features")]
#![cfg_attr(not(feature = "mysql"), doc = "[`Mysql`]: #features")]
#![cfg_attr(not(feature = "postgres"), doc = "[`Postgres`]: #features")]
#![cfg_attr(not(feature = "ldap"), doc = "[`Directory`]: #features")]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod error;
mod file;
mod geo;
mod guard;
#[cfg(feature = "ldap")]
mod ldap;
mod map;
mod memcached;
mod memory;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "ldap"))]
mod pool;
#[cfg(feature = "redis")]
mod redis;
mod secret;
mod shared;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod wall_clock;
mod window;

pub use error::StoreError;
pub use file::{open_file, read_file, read_open_file};
pub use geo::{Countries, Country, GeoError};
pub use guard::{Breaker, BreakerState, BreakerStatus, Calls, RemoteOptions};
#[cfg(feature = "ldap")]
pub use ldap::{Directory, DirectoryOptions, Entry, Filter, InvalidFilter};
pub use map::{Map, MapError, MapFile, MapKind};
pub use memcached::{MemcachedOptions, MemcachedServer, MemcachedStore};
pub use memory::{MemoryOptions, MemoryStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisServers, RedisStore};
pub use secret::Secret;
#[cfg(feature = "mysql")]
pub use sql::Mysql;
#[cfg(feature = "postgres")]
pub use sql::Postgres;
pub use sql::{Dialect, Driver, Dsn, InvalidDsn, Row, Sql, SqlOptions, SqlStore, Value};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions, SqlitePoint, SqliteStore};
pub use store::{Answer, Lock, Locked, MAX_KEY_LEN, MAX_VALUE_LEN, Mark, Store, key};
pub use window::{Event, InvalidWindows, MAX_DISTINCT, Usage, Window, WindowUsage, Windows};

/// Parsers that fuzzing reaches; no part of the interface.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::{memcached::replies as memcached, window::WindowState};
}

/// The examples of the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
