//! Limits of a server.

use std::time::Duration;

use crate::ClientOptions;

/// Limits of a server: the one options type of [`serve_with`](crate::serve_with), [`accept`](crate::accept) and
/// [`Clients`](crate::Clients), with the same defaults everywhere. The struct may grow: start from the defaults, and say
/// what differs.
///
/// ```
/// use policy_net::ServeOptions;
/// use std::time::Duration;
///
/// let mut options = ServeOptions::default();
/// options.max_connections = 500;
/// options.clients.idle = Duration::from_secs(600);
/// assert_eq!(options.deadline, Duration::from_secs(95));
/// assert_eq!(options.drain, Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The limits of clients: size, time and memory.
    pub clients: ClientOptions,
    /// How long a handler may take for an answer; then the work on it is dropped and the connection closed. 95 s by
    /// default: Postfix waits for 100 s (`smtpd_policy_service_timeout`), and what comes later is answered to nobody.
    /// [`Duration::MAX`] has no end.
    pub deadline: Duration,
    /// Connections at once; more wait in the system's queue. 10,000 by default: idle ones cost
    /// little but memory, and a busy Postfix has some hundreds. Descriptors are limited by the
    /// system.
    pub max_connections: usize,
    /// How long requests under way may take once the server is to stop, before they are cut off. 30
    /// s by default, below the 90 s after which systemd kills a service.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            clients: ClientOptions::default(),
            deadline: Duration::from_secs(95),
            max_connections: 10_000,
            drain: Duration::from_secs(30),
        }
    }
}

/// The defaults, with these for the clients.
impl From<ClientOptions> for ServeOptions {
    fn from(clients: ClientOptions) -> Self {
        Self {
            clients,
            ..Self::default()
        }
    }
}
