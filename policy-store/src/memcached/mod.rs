//! memcached: a client whose calls share one connection to each server, which is closed on any doubt.

mod commands;
mod connection;
mod entry;
mod held;
mod lock;
mod pipeline;
pub mod replies;
mod ring;
mod server;
mod store;

use crate::RemoteOptions;

pub use self::store::MemcachedStore;

/// How memcached is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemcachedOptions {
    /// The servers. Each key is on one of them; when one is away, so are its keys.
    pub servers: Vec<MemcachedServer>,
    /// The beginning of each key on the servers. Empty by default.
    pub prefix: String,
    /// Deadline and breaker, for each server. A call about a lock and a value that are on two servers asks one after the
    /// other, each with its deadline.
    pub remote: RemoteOptions,
}

impl MemcachedOptions {
    /// These servers.
    pub fn new(servers: impl IntoIterator<Item = MemcachedServer>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            prefix: String::new(),
            remote: RemoteOptions::default(),
        }
    }
}

/// One of several servers.
#[derive(Clone, Debug)]
pub struct MemcachedServer {
    /// The name that decides which keys it has. The order of servers does not matter, and one that is added or removed moves its
    /// own share of the keys only.
    pub name: String,
    /// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or the path of a UNIX socket. The port is 11211 if it is not said.
    pub address: String,
}

impl From<&str> for MemcachedServer {
    /// One that is named by its address.
    fn from(address: &str) -> Self {
        Self {
            name: address.to_owned(),
            address: address.to_owned(),
        }
    }
}
