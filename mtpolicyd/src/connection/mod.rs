//! Connections of the configuration: stores, databases and directories that plugins and sessions share by name.

mod pool;
mod unwritten;
pub use pool::Connections;
pub(crate) use pool::{Connection, Kind, Parameters};

mod sql;
pub use sql::SqlHandle;
pub(crate) use unwritten::NOTHING;
pub use unwritten::Unwritten;

use std::{fmt, sync::Arc};

use policy_store::{Breaker, Directory, MemoryOptions, MemoryStore, Store, StoreError};

use crate::error::PluginError;

/// A store behind a named connection. Databases are opened when they are first needed, so that a file belongs to the user that
/// the daemon runs as, and a daemon starts while a server is away.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    name: Arc<str>,
    store: Where,
}

#[derive(Clone, Debug)]
enum Where {
    Ready(Arc<dyn Store>),
    Sql(SqlHandle),
}

impl StoreHandle {
    /// A store that is there, with the name of its connection.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, store: Arc<dyn Store>) -> Self {
        Self {
            name: name.into(),
            store: Where::Ready(store),
        }
    }

    pub(crate) fn of_database(database: SqlHandle) -> Self {
        Self {
            name: database.name(),
            store: Where::Sql(database),
        }
    }

    /// The store.
    ///
    /// # Errors
    ///
    /// What keeps a database from being opened.
    pub async fn get(&self) -> Result<Arc<dyn Store>, StoreError> {
        match &self.store {
            Where::Ready(store) => Ok(Arc::clone(store)),
            Where::Sql(database) => database.store().await,
        }
    }

    /// Whether both are of the same connection, or both are a memory of their own.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.store, &other.store) {
            (Where::Ready(one), Where::Ready(two)) => {
                Arc::ptr_eq(one, two) || (self.name == other.name && &*self.name == OWN_MEMORY)
            }
            (Where::Sql(one), Where::Sql(two)) => one.is_same(two),
            _ => false,
        }
    }

    /// An error of the store, as that of a plugin.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> PluginError {
        let store = match &self.store {
            Where::Ready(store) => store,
            Where::Sql(database) => return database.failed(error),
        };
        let connection = remote(&self.name, &store.breakers());
        PluginError::Store { connection, error }
    }
}

/// A directory behind a named connection.
#[derive(Clone)]
pub struct DirectoryHandle {
    name: Arc<str>,
    directory: Option<Directory>,
}

impl DirectoryHandle {
    /// A directory with the name of its connection.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, directory: Directory) -> Self {
        Self {
            name: name.into(),
            directory: Some(directory),
        }
    }

    /// The directory.
    ///
    /// # Errors
    ///
    /// The configuration has none of the name, and has been refused.
    pub fn get(&self) -> Result<&Directory, StoreError> {
        self.directory.as_ref().ok_or_else(no_connection)
    }

    /// An error of the directory, as that of a plugin.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> PluginError {
        let directory = self.directory.iter();
        let breakers: Vec<_> = directory.map(|of| of.breaker().clone()).collect();
        let connection = remote(&self.name, &breakers);
        PluginError::Store { connection, error }
    }
}

impl fmt::Debug for DirectoryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirectoryHandle").field(&self.name).finish()
    }
}

/// What stands for a connection that the configuration lacks, until the configuration is refused for that.
pub(crate) trait Missing {
    fn missing() -> Self;
}

impl Missing for StoreHandle {
    fn missing() -> Self {
        let store = MemoryStore::new(MemoryOptions::default());
        Self::new("", Arc::new(store))
    }
}

impl Missing for SqlHandle {
    fn missing() -> Self {
        Self::none()
    }
}

impl Missing for DirectoryHandle {
    fn missing() -> Self {
        Self {
            name: "".into(),
            directory: None,
        }
    }
}

/// The name of a memory that belongs to a session cache alone: no connection can have it.
pub(crate) const OWN_MEMORY: &str = "";

/// A connection with what it leads to, for a text: `db (sqlite /var/lib/mtpolicyd/db.sqlite)`.
pub(crate) fn remote(name: &str, breakers: &[Breaker]) -> Arc<str> {
    let remotes: Vec<_> = breakers.iter().map(Breaker::name).collect();
    if remotes.is_empty() {
        return name.into();
    }
    format!("{name} ({})", remotes.join(", ")).into()
}

fn no_connection() -> StoreError {
    StoreError::Refused("there is no such connection".to_owned())
}
