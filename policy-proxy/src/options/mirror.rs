//! Services that a share of the requests also goes to.

use std::time::Duration;

use policy_socket::Endpoint;

/// A service that a share of the requests also goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MirrorOptions {
    /// Its number among the mirrors.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The name of the group whose requests it gets a share of: without one those of all.
    pub group: Option<String>,
    /// The share, in parts of [`WHOLE`].
    pub share: u16,
    /// The longest that it is waited for.
    pub timeout: Duration,
    /// Connections at once.
    pub connections: usize,
}

/// A share of all, in hundredths of a percent.
pub const WHOLE: u16 = 10_000;
