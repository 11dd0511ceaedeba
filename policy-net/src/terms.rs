//! What a server grants its clients.

use std::time::Duration;

use policy_proto::{Decoder, Limits};

use crate::MemoryBudget;

/// What a server grants its clients: one for all their connections. The struct may grow: start from
/// the defaults, and say what differs.
///
/// ```
/// use policy_net::{Connection, Terms};
/// use std::{sync::Arc, time::Duration};
///
/// let mut terms = Terms::default();
/// terms.patience.request = Some(Duration::from_secs(30));
/// let terms = Arc::new(terms);
/// let (_, server) = tokio::io::duplex(64);
/// let connection = Connection::new(server, Arc::clone(&terms));
/// assert!(!terms.lenient && terms.patience.idle.is_none());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Terms {
    /// Limits of a request: 16 KiB a line and 128 KiB in all by default.
    pub limits: Limits,
    /// Lines of a request that are no attributes are left out of it, instead of being an error: see
    /// [`Decoder::lenient`]. Not by default.
    pub lenient: bool,
    /// How long clients are waited for. For ever by default.
    pub patience: Patience,
    /// What their requests and replies may take in memory, all of them together. Without a limit by
    /// default: each connection may take twice the largest request.
    pub memory: Option<MemoryBudget>,
}

impl Terms {
    /// What reads requests on these terms.
    pub(crate) fn decoder(&self) -> Decoder {
        let decoder = Decoder::new().with_limits(self.limits);
        match self.lenient {
            true => decoder.lenient(),
            false => decoder,
        }
    }
}

/// How long a server waits for a client; `None`, the default of each, is for ever.
///
/// ```
/// use policy_net::{Patience, ServeOptions};
/// use std::time::Duration;
///
/// assert_eq!(Patience::default(), Patience { idle: None, request: None, memory: None });
/// let served = ServeOptions::default().patience;
/// assert_eq!(served.idle, Some(Duration::from_secs(1200)));
/// assert_eq!(served.request, Some(Duration::from_secs(30)));
/// assert_eq!(served.memory, Some(Duration::from_secs(90)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Patience {
    /// For a request to begin; a blank line begins none.
    pub idle: Option<Duration>,
    /// For the rest of it, and for its reply to be taken.
    pub request: Option<Duration>,
    /// For memory, where its request has begun and the [budget](Terms::memory) is used up; the time for
    /// the rest of the request does not run meanwhile.
    pub memory: Option<Duration>,
}
