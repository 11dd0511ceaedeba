//! SQLite: a file, for queries and as a store.

mod count;
mod error;
mod file;
mod open;
mod opened;
mod options;
mod point;
mod query;
mod store;
mod table;
mod thread;

pub use self::{file::Sqlite, options::SqliteOptions, point::SqlitePoint, store::SqliteStore};
