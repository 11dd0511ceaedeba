//! The limits of a daemon's clients.

use std::{num::NonZeroUsize, time::Duration};

use policy_flow::ClientOptions;
use policy_proto::Limits;

/// What a daemon grants its clients, beside the [number](policy_daemon::DaemonOptions::max_clients) of all.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Connections at once from one TCP client's address.
    pub max_per_address: Option<NonZeroUsize>,
    /// Connections at once from one user over UNIX sockets.
    pub max_per_user: Option<NonZeroUsize>,
    /// The largest request in bytes.
    pub max_request: usize,
    /// The memory of all requests under way, with their answers, in bytes.
    pub max_memory: usize,
    /// How long a client may take for the rest of a request, or to read its answer.
    pub request_timeout: Duration,
    /// How long a connection may be idle.
    pub idle: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            max_per_address: None,
            max_per_user: None,
            max_request: Limits::default().message,
            max_memory: 256 << 20,
            request_timeout: Duration::from_secs(30),
            idle: Duration::from_secs(1200),
        }
    }
}

impl ClientLimits {
    /// The clients' part of the state machine's options. A request that waits for memory for longer than the deadline
    /// would be answered to nobody.
    pub(crate) fn of_clients(&self, deadline: Duration) -> ClientOptions {
        let mut options = ClientOptions::default();
        options.limits = Limits::default().with_message(self.max_request);
        options.idle = self.idle;
        options.request = self.request_timeout;
        options.memory_wait = deadline;
        // A quarter is for answers.
        options.memory = Some(self.max_memory / 4 * 3);
        options
    }
}
