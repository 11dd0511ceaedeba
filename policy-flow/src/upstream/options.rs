//! Deadlines and limits of an upstream, and what is said of each backend.

use std::time::Duration;

use policy_ha::{Backend, Config};
use policy_proto::{ActionSet, Limits};

use super::{Retry, Strategy};
use crate::Address;

/// Deadlines and limits of an [`Upstream`](crate::Upstream). The struct may grow: start from the defaults, and say what
/// differs.
///
/// ```
/// use policy_flow::UpstreamOptions;
/// use std::time::Duration;
///
/// let mut options = UpstreamOptions::default();
/// options.max_connections = 45; // policyd-weight stops at 50 processes
/// assert_eq!(options.deadline, Duration::from_secs(90));
/// assert_eq!(options.connect, Some(Duration::from_secs(3)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamOptions {
    /// The longest that a request may take in all. 90 s by default: Postfix gives up after 100 s
    /// (`smtpd_policy_service_timeout`), and its answer should come before. Where it is below 5 s for each backend, the
    /// first ones may use it up: see [`attempt_limit`](crate::attempt_limit).
    pub deadline: Duration,
    /// The longest that opening a connection may take; `None` leaves it the whole attempt. 3 s by default: a lost SYN
    /// is repeated after one.
    pub connect: Option<Duration>,
    /// How long a request waits for one of a backend's connections while they are all in use and another backend that
    /// is up has not been asked; where there is none, it waits for the attempt's whole time. 1 s by default: the other
    /// backend is likely to answer sooner.
    pub wait: Duration,
    /// How long a request may go on with backends that are down and not yet due for a trial, once no other is left: for
    /// all of those attempts together, each an equal share of what is left of it. 3 s by default. A backend that
    /// refuses costs nothing of it, and one that is up again mostly answers within it; if they all hang, each request
    /// takes this long, and not its deadline.
    ///
    /// [`Duration::ZERO`] asks none of them, and the request fails at once. The [deadline](Self::deadline) tries to the
    /// end. A trial that is due has its full time in any case.
    pub last_resort: Duration,
    /// Whether a request that a backend may have acted upon is put to another.
    pub retry: Retry,
    /// Who is asked among the backends of one priority.
    pub strategy: Strategy,
    /// Connections to one backend that are open at once, of all workers together. 100 by default, as many as the
    /// default of Postfix's `default_process_limit`.
    pub max_connections: usize,
    /// Connections of one worker that a backend may not have accepted yet: it has until the first answer, or 20 ms, and
    /// more are opened only then. 5 by default, the length of the queue that the simplest servers ask for
    /// (`listen(fd, 5)`): what does not fit is lost, and TCP repeats it after a second.
    pub max_opening: usize,
    /// How old a connection may get: an older one is not used again. 300 s by default, so that connections follow a
    /// name, a load balancer or a certificate that has changed.
    pub max_age: Duration,
    /// Limits of an answer: 16 KiB a line and 128 KiB in all by default.
    pub limits: Limits,
    /// What the memory of answers beyond 1 KiB may be, in bytes: those of one backend at most a half of it, but one
    /// answer in any case. Without a limit by default.
    pub memory: Option<usize>,
    /// When a backend counts as down, and the seed of the round robin.
    pub balancer: Config,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(90),
            connect: Some(Duration::from_secs(3)),
            wait: Duration::from_secs(1),
            last_resort: Duration::from_secs(3),
            retry: Retry::Always,
            strategy: Strategy::RoundRobin,
            max_connections: 100,
            max_opening: 5,
            max_age: Duration::from_secs(300),
            limits: Limits::default(),
            memory: None,
            balancer: Config::default(),
        }
    }
}

/// What is said of one backend. The struct may grow: start from the defaults, and say what differs.
///
/// ```
/// use policy_flow::BackendConfig;
/// use std::time::Duration;
///
/// let mut backend = BackendConfig::default();
/// backend.keep = Duration::from_secs(5); // its server ends when it is asked after ten
/// assert_eq!(backend.timeout, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackendConfig {
    /// Its priority and weight.
    pub backend: Backend,
    /// The longest that one attempt may take, connecting and waiting for a permit included. 10 s by default: longer
    /// than any look-up in the DNS that a policy server may have to wait for.
    pub timeout: Duration,
    /// The actions that it may answer with; `None` is any. Another answer counts as an invalid one: it reaches nobody,
    /// the next backend is asked (with [`Retry::Unsent`] none, since this one has read the request), and the balancer
    /// sees a failure: [`AttemptError::NotAllowed`](crate::AttemptError::NotAllowed).
    pub accepts: Option<ActionSet>,
    /// How long an unused connection is kept; zero closes it after each answer. 60 s by default, below the idle limits
    /// of the common policy servers.
    pub keep: Duration,
    /// Where it is, if that is known and does not change; else it is looked up
    /// ([`BackendDriver::resolve`](crate::BackendDriver::resolve)).
    pub address: Option<Address>,
    /// How often its addresses are looked up again while it is in use. 60 s, the default, suit a name, and a second
    /// the file of a UNIX socket.
    pub refresh: Duration,
    /// What is looked up, for errors: a name, or the path of a UNIX socket.
    pub host: Box<str>,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            timeout: Duration::from_secs(10),
            accepts: None,
            keep: Duration::from_secs(60),
            address: None,
            refresh: Duration::from_secs(60),
            host: Box::default(),
        }
    }
}
