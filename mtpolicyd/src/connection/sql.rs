//! A database behind a named connection.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use policy_store::{
    Breaker, Driver, Dsn, Mysql, Postgres, Sql, SqlOptions, SqlStore, Sqlite, SqliteOptions,
    SqliteStore, Store, StoreError,
};
use tokio::{sync::OnceCell, time::Instant};

use super::no_connection;
use crate::error::PluginError;

/// A database behind a named connection: opened when it is first needed.
#[derive(Clone, Debug)]
pub struct SqlHandle(Arc<Database>);

#[derive(Debug)]
struct Database {
    name: Arc<str>,
    dsn: Option<Dsn>,
    opened: OnceCell<Opened>,
    store: OnceCell<Arc<dyn Store>>,
    failed: Mutex<Option<(Instant, StoreError)>>,
}

#[derive(Clone, Debug)]
enum Opened {
    File(Sqlite),
    Server(Arc<dyn Sql>),
}

impl SqlHandle {
    /// The database of this name, with the name of its connection.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, dsn: Dsn) -> Self {
        Self::of(name.into(), Some(dsn))
    }

    pub(super) fn none() -> Self {
        Self::of("".into(), None)
    }

    fn of(name: Arc<str>, dsn: Option<Dsn>) -> Self {
        Self(Arc::new(Database {
            name,
            dsn,
            opened: OnceCell::new(),
            store: OnceCell::new(),
            failed: Mutex::new(None),
        }))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The name of the connection.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// The database. One that could not be opened is tried again after a second.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened.
    pub async fn get(&self) -> Result<Arc<dyn Sql>, StoreError> {
        Ok(match self.opened().await? {
            Opened::File(file) => Arc::new(file.clone()),
            Opened::Server(server) => Arc::clone(server),
        })
    }

    /// The database as a store, in a table of its own.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened, or the table from being made.
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let make = async || -> Result<Arc<dyn Store>, StoreError> {
            let store: Arc<dyn Store> = match self.opened().await? {
                Opened::File(file) => Arc::new(SqliteStore::new(file.clone()).await?),
                Opened::Server(server) => Arc::new(SqlStore::new(Arc::clone(server)).await?),
            };
            Ok(store)
        };
        self.0.store.get_or_try_init(make).await.map(Arc::clone)
    }

    /// What is known of the server; `None` while nothing has needed it.
    pub(crate) fn breaker(&self) -> Option<Breaker> {
        Some(match self.0.opened.get()? {
            Opened::File(file) => file.breaker().clone(),
            Opened::Server(server) => server.breaker().clone(),
        })
    }

    /// An error of the database, as that of a plugin.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> PluginError {
        let connection = self.name();
        PluginError::Store { connection, error }
    }

    async fn opened(&self) -> Result<&Opened, StoreError> {
        if let Some(opened) = self.0.opened.get() {
            return Ok(opened);
        }
        if let Some((at, error)) = &*self.last_failure()
            && at.elapsed() < RETRY
        {
            return Err(error.clone());
        }
        let opened = self.0.opened.get_or_try_init(|| self.open()).await;
        let failure = opened.as_ref().err().cloned();
        *self.last_failure() = failure.map(|error| (Instant::now(), error));
        opened
    }

    async fn open(&self) -> Result<Opened, StoreError> {
        let dsn = self.0.dsn.as_ref().ok_or_else(no_connection)?;
        Ok(match dsn.driver {
            Driver::Sqlite => Opened::File(Sqlite::open(SqliteOptions::new(&dsn.database)).await?),
            Driver::Mysql => Opened::Server(Arc::new(Mysql::new(dsn, SqlOptions::default())?)),
            Driver::Postgres => {
                Opened::Server(Arc::new(Postgres::new(dsn, SqlOptions::default())?))
            }
            other => return Err(StoreError::Refused(format!("no driver {other}"))),
        })
    }

    fn last_failure(&self) -> std::sync::MutexGuard<'_, Option<(Instant, StoreError)>> {
        self.0.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a database that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);
