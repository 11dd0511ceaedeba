//! Servers that lie, for tests and benchmarks.

mod name_server;
pub use name_server::NameServer;
