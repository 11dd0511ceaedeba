//! Redis and Valkey: one server, sentinels, or a cluster.

mod bounded;
mod error;
mod link;
mod open;
mod script;
mod sentinel;
mod store;

use crate::{RemoteOptions, Secret};

pub use self::store::RedisStore;

/// How Redis is asked. A value that another program has stored and that is larger than
/// [`MAX_VALUE_LEN`](crate::MAX_VALUE_LEN) is not read into memory, but is
/// [`TooLarge`](crate::StoreError::TooLarge).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Where it is.
    pub servers: RedisServers,
    /// The user: none is Redis's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database. A cluster has 0 alone.
    pub database: u32,
    /// The beginning of each key. Empty by default.
    pub prefix: String,
    /// Deadline and breaker.
    pub remote: RemoteOptions,
}

impl RedisOptions {
    /// These servers.
    pub fn new(servers: RedisServers) -> Self {
        Self {
            servers,
            user: None,
            password: None,
            database: 0,
            prefix: String::new(),
            remote: RemoteOptions::default(),
        }
    }
}

/// Where Redis is. Addresses are `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or the path of a UNIX socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedisServers {
    /// One server; its port is 6379 if it is not said.
    One(String),
    /// Sentinels that know the primary; their port is 26379 if it is not said.
    Sentinels {
        /// The sentinels.
        addresses: Vec<String>,
        /// Their name for the primary.
        service: String,
        /// The sentinels' own password.
        password: Option<Secret>,
    },
    /// Some servers of a cluster. Here the library that is used connects by itself: an answer that is larger than a value
    /// may be is refused as well, but only when it has come, so that a hostile node costs memory until the deadline. A cluster
    /// has one breaker: until it says itself that a node is away (`cluster-node-timeout`), calls about that node's keys
    /// may take their deadline.
    Cluster(Vec<String>),
}
