//! The options of clients: their time-outs and limits.

use std::time::Duration;

use policy_proto::{Limits, MessageDecoder};

/// What clients are granted. The struct may grow: start from the defaults, and say what differs.
///
/// ```
/// use policy_flow::ClientOptions;
/// use std::time::Duration;
///
/// let options = ClientOptions::default();
/// assert_eq!(options.idle, Duration::from_secs(1200));
/// assert_eq!(options.request, Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Limits of a request: 16 KiB a line and 128 KiB in all by default.
    pub limits: Limits,
    /// Lines of a request that are no attributes are left out of it, instead of being an error: see
    /// [`MessageDecoder::lenient`]. Not by default.
    pub lenient: bool,
    /// For a request to begin; a blank line begins none. 1200 s by default: Postfix closes connections that have been
    /// idle for 300 s (`smtpd_policy_service_max_idle`), and reuses them for 1000 s (`..._max_ttl`).
    pub idle: Duration,
    /// For the rest of a request, and for its reply to be taken. 30 s by default.
    pub request: Duration,
    /// For memory, where a request has begun and all is in use; the time for the rest of the request does not run
    /// meanwhile. 90 s by default: what waits for longer would be answered to nobody.
    pub memory_wait: Duration,
    /// What requests and replies may take in memory, in bytes, all of them together, as
    /// [`RequestMemory`](crate::RequestMemory) shares it out. Without a limit by default.
    pub memory: Option<usize>,
}

/// How long clients are waited for: the part of [`ClientOptions`] that may change while they are connected.
///
/// ```
/// use policy_flow::{ClientOptions, ClientTimes};
/// use std::time::Duration;
///
/// let mut times = ClientTimes::from(ClientOptions::default());
/// assert_eq!(times.idle, Duration::from_secs(1200));
/// times.idle = Duration::from_secs(600);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientTimes {
    /// [`ClientOptions::idle`].
    pub idle: Duration,
    /// [`ClientOptions::request`].
    pub request: Duration,
    /// [`ClientOptions::memory_wait`].
    pub memory_wait: Duration,
}

impl From<ClientOptions> for ClientTimes {
    fn from(options: ClientOptions) -> Self {
        Self {
            idle: options.idle,
            request: options.request,
            memory_wait: options.memory_wait,
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            lenient: false,
            idle: Duration::from_secs(1200),
            request: Duration::from_secs(30),
            memory_wait: Duration::from_secs(90),
            memory: None,
        }
    }
}

impl ClientOptions {
    pub(crate) fn decoder(&self) -> MessageDecoder {
        let decoder = MessageDecoder::new().with_limits(self.limits);
        if self.lenient {
            decoder.lenient()
        } else {
            decoder
        }
    }
}
