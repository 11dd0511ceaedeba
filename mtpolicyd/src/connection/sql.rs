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
    database: Result<Arc<dyn Sql>, StoreError>,
    /// What is behind it, where it is a file.
    file: Option<Sqlite>,
    /// A file is opened once, which may take longer than a request.
    started: OnceCell<()>,
    store: OnceCell<Arc<dyn Store>>,
    unwritten: Option<Unwritten>,
}

impl SqlHandle {
    /// The database of this name, with the name of its connection. Where something is to be told that is not written, the
    /// database is only read.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, dsn: &Dsn, unwritten: Option<Unwritten>) -> Self {
        let name = name.into();
        let file = (dsn.driver == Driver::Sqlite).then(|| {
            let mut options = SqliteOptions::new(&dsn.database);
            options.read_only = unwritten.is_some();
            Sqlite::new(options)
        });
        let database = match &file {
            Some(file) => Ok(Arc::new(file.clone()) as Arc<dyn Sql>),
            None => server(dsn, unwritten.is_some()),
        };
        let database = database.map(|database| match &unwritten {
            Some(unwritten) => unwritten.sql(&name, database),
            None => database,
        });
        Self::of(name, database, file, unwritten)
    }

    pub(super) fn none() -> Self {
        Self::of("".into(), Err(no_connection()), None, None)
    }

    fn of(
        name: Arc<str>,
        database: Result<Arc<dyn Sql>, StoreError>,
        file: Option<Sqlite>,
        unwritten: Option<Unwritten>,
    ) -> Self {
        Self(Arc::new(Database {
            name,
            database,
            file,
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
        let database = self.0.database.as_ref().map_err(Clone::clone)?;
        if let Some(file) = &self.0.file {
            self.0.started.get_or_try_init(|| file.start()).await?;
        }
        Ok(Arc::clone(database))
    }

    /// The database as a store, in a table of its own.
    ///
    /// # Errors
    ///
    /// What keeps it from being opened, or the table from being made.
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let make = async || -> Result<Arc<dyn Store>, StoreError> {
            let database = self.get().await?;
            let store: Arc<dyn Store> = match &self.0.file {
                Some(file) => Arc::new(SqliteStore::new(file.clone()).await?),
                None => Arc::new(SqlStore::new(database).await?),
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
        let database = self.0.database.as_ref().ok()?;
        Some(database.breaker().clone())
    }

    /// How often the file was found to be another one than before.
    pub(crate) fn replaced(&self) -> u64 {
        self.0.file.as_ref().map_or(0, Sqlite::replaced)
    }

    /// Closes the file, so that it is whole by itself. Servers need no farewell.
    pub(crate) async fn close(&self) {
        if let Some(file) = &self.0.file {
            file.close().await;
        }
    }

    /// An error of the database, as that of a plugin.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> PluginError {
        let connection = remote(&self.0.name, &Vec::from_iter(self.breaker()));
        PluginError::Store { connection, error }
    }
}

/// Nothing connects before it is asked.
fn server(dsn: &Dsn, is_read_only: bool) -> Result<Arc<dyn Sql>, StoreError> {
    let mut options = SqlOptions::default();
    options.read_only = is_read_only;
    Ok(match dsn.driver {
        Driver::Mysql => Arc::new(Mysql::new(dsn, options)?),
        Driver::Postgres => Arc::new(Postgres::new(dsn, options)?),
        other => return Err(StoreError::Refused(format!("no driver {other}"))),
    })
}
