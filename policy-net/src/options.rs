use std::time::Duration;

use policy_ha::Config;

use crate::{Balance, PoolOptions, Retry};

/// Deadlines and limits of an [`Upstream`](crate::Upstream). The struct may grow: start from the defaults, and say
/// what differs.
///
/// ```
/// use policy_net::UpstreamOptions;
/// use std::time::Duration;
///
/// let mut options = UpstreamOptions::default();
/// options.pool.keep = None;
/// assert_eq!(options.deadline, Duration::from_secs(90));
/// assert_eq!(options.connect, Some(Duration::from_secs(3)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamOptions {
    /// The longest that a request may take in all. 90 s by default: Postfix gives up after 100 s
    /// (`smtpd_policy_service_timeout`), and its answer should come before. Where it is below 5 s
    /// for each service, the first ones may use it up: see [`attempt_limit`](crate::attempt_limit).
    pub deadline: Duration,
    /// The longest that opening a connection may take; `None` leaves it the whole attempt. 3 s by
    /// default: a lost SYN is repeated after one.
    pub connect: Option<Duration>,
    /// How long a request waits for one of a server's connections while they are all in use and another
    /// server that is up has not been asked; where there is none, it waits for the attempt's whole time.
    /// 1 s by default: the other server is likely to answer sooner.
    pub wait: Duration,
    /// How long a request may go on with services that are down and not yet due for a trial, once no
    /// other is left: for all of those attempts together, each an equal share of what is left of it.
    /// 3 s by default. A service that refuses costs nothing of it, and one that is up again mostly
    /// answers within it; if they all hang, each request takes this long, and not its deadline.
    ///
    /// [`Duration::ZERO`] asks none of them, and the request fails at once. The [deadline](Self::deadline)
    /// tries to the end. A trial that is due has its full time in any case.
    pub last_resort: Duration,
    /// Whether a request that a server may have acted upon is put to another.
    pub retry: Retry,
    /// Who is asked among the services of one priority.
    pub balance: Balance,
    /// Connections to one server.
    pub pool: PoolOptions,
    /// When a server counts as down, and the seed of the round robin.
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
            balance: Balance::RoundRobin,
            pool: PoolOptions::default(),
            balancer: Config::default(),
        }
    }
}
