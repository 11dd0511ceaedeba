//! SQLite: a file, for queries and as a store.

mod error;
mod file;
mod open;
mod query;
mod store;
mod table;
mod thread;

pub use self::{
    file::{Sqlite, SqliteOptions},
    store::SqliteStore,
};
