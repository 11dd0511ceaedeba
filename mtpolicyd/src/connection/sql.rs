//! A database behind a named connection.

use std::sync::Arc;

use policy_store::{
    Breaker, Driver, Dsn, Mysql, Postgres, Sql, SqlOptions, SqlStore, Sqlite, SqliteOptions,
    SqliteStore, Store, StoreError,
};
use tokio::sync::OnceCell;

use super::{no_connection, remote, unwritten::Unwritten};
use crate::error::PluginError;

/// A database behind a named connection: opened when it is first needed.
#[derive(Clone, Debug)]
pub struct SqlHandle(Arc<Database>);

#[derive(Debug)]
struct Database {
    name: Arc<str>,
    remote: Result<Remote, StoreError>,
    /// A file is opened once, which may take longer than a request.
    started: OnceCell<()>,
    store: OnceCell<Arc<dyn Store>>,
    unwritten: Option<Unwritten>,
}

#[derive(Clone, Debug)]
enum Remote {
    File(Sqlite),
    Server(Arc<dyn Sql>),
}

impl SqlHandle {
    /// The database of this name, with the name of its connection. Where something is to be told that is not written, the
    /// database is only read.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, dsn: &Dsn, unwritten: Option<Unwritten>) -> Self {
        let remote = connect(dsn, unwritten.is_some());
        Self::of(name.into(), remote, unwritten)
    }

    pub(super) fn none() -> Self {
        Self::of("".into(), Err(no_connection()), None)
    }

    fn of(
        name: Arc<str>,
        remote: Result<Remote, StoreError>,
        unwritten: Option<Unwritten>,
    ) -> Self {
        Self(Arc::new(Database {
            name,
            remote,
            started: OnceCell::new(),
            store: OnceCell::new(),
            unwritten,
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

    /// The database.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened.
    pub async fn get(&self) -> Result<Arc<dyn Sql>, StoreError> {
        let database: Arc<dyn Sql> = match self.started().await? {
            Remote::File(file) => Arc::new(file.clone()),
            Remote::Server(server) => Arc::clone(server),
        };
        Ok(match &self.0.unwritten {
            Some(unwritten) => unwritten.sql(&self.0.name, database),
            None => database,
        })
    }

    /// The database as a store, in a table of its own.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened, or the table from being made.
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let make = async || -> Result<Arc<dyn Store>, StoreError> {
            let store: Arc<dyn Store> = match self.started().await? {
                Remote::File(file) => Arc::new(SqliteStore::new(file.clone()).await?),
                Remote::Server(_) => Arc::new(SqlStore::new(self.get().await?).await?),
            };
            Ok(match &self.0.unwritten {
                Some(unwritten) => unwritten.store(&self.0.name, store),
                None => store,
            })
        };
        self.0.store.get_or_try_init(make).await.map(Arc::clone)
    }

    /// What is known of the server, or of the file.
    pub(crate) fn breaker(&self) -> Option<Breaker> {
        Some(match self.0.remote.as_ref().ok()? {
            Remote::File(file) => file.breaker().clone(),
            Remote::Server(server) => server.breaker().clone(),
        })
    }

    /// How often the file was found to be another one than before.
    pub(crate) fn replaced(&self) -> u64 {
        match &self.0.remote {
            Ok(Remote::File(file)) => file.replaced(),
            _ => 0,
        }
    }

    /// An error of the database, as that of a plugin.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> PluginError {
        let connection = remote(&self.0.name, &Vec::from_iter(self.breaker()));
        PluginError::Store { connection, error }
    }

    async fn started(&self) -> Result<&Remote, StoreError> {
        let remote = self.0.remote.as_ref().map_err(Clone::clone)?;
        if let Remote::File(file) = remote {
            let start = self.0.started.get_or_try_init(|| file.start());
            start.await?;
        }
        Ok(remote)
    }
}

/// Nothing connects before it is asked.
fn connect(dsn: &Dsn, is_read_only: bool) -> Result<Remote, StoreError> {
    let mut options = SqlOptions::default();
    options.read_only = is_read_only;
    Ok(match dsn.driver {
        Driver::Sqlite => {
            let mut options = SqliteOptions::new(&dsn.database);
            options.read_only = is_read_only;
            Remote::File(Sqlite::new(options))
        }
        Driver::Mysql => Remote::Server(Arc::new(Mysql::new(dsn, options)?)),
        Driver::Postgres => Remote::Server(Arc::new(Postgres::new(dsn, options)?)),
        other => return Err(StoreError::Refused(format!("no driver {other}"))),
    })
}
