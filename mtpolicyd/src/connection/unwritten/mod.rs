//! What would be written, where nothing is to change (`--explain`): stores and databases that are read, and told of all
//! else.

mod sql;
pub(crate) use sql::NOTHING;
use sql::ReadSql;

mod store;
use store::ReadStore;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_store::{Sql, Store};

/// What would have been written so far, in words.
#[derive(Clone, Debug, Default)]
pub struct Unwritten(Arc<Mutex<Vec<String>>>);

impl Unwritten {
    /// Takes what was told since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0))
    }

    /// A store that is only read. What is written to it is read again, as long as this lives.
    pub(in crate::connection) fn store(&self, name: &str, store: Arc<dyn Store>) -> Arc<dyn Store> {
        // The memory of a module has a name that no connection can have.
        let name = name.replace('\n', " of ");
        Arc::new(ReadStore::new(name, store, self.clone()))
    }

    /// A database that is only read.
    pub(in crate::connection) fn sql(&self, name: &str, database: Arc<dyn Sql>) -> Arc<dyn Sql> {
        Arc::new(ReadSql::new(name.to_owned(), database, self.clone()))
    }

    fn tell(&self, text: String) {
        lock(&self.0).push(text);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
