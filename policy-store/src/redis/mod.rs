//! Redis and Valkey: one server, sentinels, or a cluster.

mod bounded;
mod cluster;
mod error;
mod event;
mod job;
mod link;
mod open;
mod script;
mod sentinel;
mod server;
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
    /// Deadline and breaker, for each node of a cluster. A call that is sent on to another node has one deadline.
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
    /// Some servers of a cluster, of which one that answers is enough to find the others; their port is 6379 if it is
    /// not said. Each node has a breaker: where one is away, the others' keys are answered as before, unless Redis
    /// itself refuses them (`cluster-require-full-coverage`). Where a replica takes a node's place, it is found within
    /// a second. The user needs `CLUSTER SLOTS`, `CLUSTER INFO`, and `ASKING` while slots move. A cluster has at most
    /// 1,000 nodes with slots, and its answer about them at most 1 MB, which is enough for some 5,000 ranges.
    Cluster(Vec<String>),
}
