use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_ha::Tried;
use policy_ha::{Backend, BackendId, Balancer, Config, ConfigError, Outcome, Preference, Status};
use policy_proto::{Request, Response};
use tokio::time::{Instant, timeout};

use crate::{Answer, AttemptError, Connect, Event, Exhausted, Lease, Pool, PoolOptions};

/// One policy server of an [`Upstream`].
#[derive(Debug)]
pub struct Service<C> {
    /// How to connect to it.
    pub connect: C,
    /// Its priority and weight.
    pub backend: Backend,
    /// The longest that one attempt may take, connecting and waiting for a place included. 10 s
    /// suits most: longer than any look-up in the DNS that a policy server may have to wait for.
    pub timeout: Duration,
}

/// Deadlines and limits of an [`Upstream`]. The struct may grow: start from the defaults, and say
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
    /// for each service, the first ones may use it up: see [`attempt_limit`].
    pub deadline: Duration,
    /// The longest that opening a connection may take; `None` leaves it the whole attempt. 3 s by
    /// default: a lost SYN is repeated after one.
    pub connect: Option<Duration>,
    /// How long a request waits for one of a server's connections while they are all in use and another
    /// server has not been asked; the last one may take the attempt's whole time. 1 s by default:
    /// another server is likely to answer sooner.
    pub wait: Duration,
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
            pool: PoolOptions::default(),
            balancer: Config::default(),
        }
    }
}

/// Several policy servers as one: asks them in turn until one has answered.
///
/// Clones share everything, and may be used from any thread. A request that is given up (its future
/// dropped) leaves nothing behind but a closed connection; nothing is learned from it about its
/// server.
///
/// ```
/// use policy_ha::{Backend, Preference};
/// use policy_net::{Connector, Service, Upstream, UpstreamOptions};
/// use policy_proto::Request;
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let service = |endpoint: &str| -> Result<_, policy_net::InvalidEndpoint> {
///     Ok(Service {
///         connect: Connector::new(endpoint.parse()?),
///         backend: Backend::default(),
///         timeout: Duration::from_secs(10),
///     })
/// };
/// let services = [service("127.0.0.1:1")?, service("unix:/nonexistent/policy.sock")?];
/// let upstream = Upstream::new(UpstreamOptions::default(), services)?;
///
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let exhausted = upstream.ask(&request, Preference::None, |_| {}).await.unwrap_err();
/// assert_eq!(exhausted.attempts.len(), 2, "both were asked, and both are down");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Upstream<C: Connect> {
    shared: Arc<Shared<C>>,
}

#[derive(Debug)]
struct Shared<C: Connect> {
    deadline: Duration,
    connect: Option<Duration>,
    wait: Duration,
    services: Vec<Member<C>>,
    /// Never held across an await.
    balancer: Mutex<Balancer>,
}

#[derive(Debug)]
struct Member<C: Connect> {
    pool: Arc<Pool<C>>,
    timeout: Duration,
}

impl<C: Connect> Upstream<C> {
    /// The services, in the order of their [`BackendId`]s.
    ///
    /// # Errors
    ///
    /// No service, more than 64, or a weight that is out of bounds.
    pub fn new(
        options: UpstreamOptions,
        services: impl IntoIterator<Item = Service<C>>,
    ) -> Result<Self, ConfigError> {
        let mut backends = Vec::new();
        let members = services.into_iter().map(|service| {
            backends.push(service.backend);
            let pool = Pool::new(service.connect, options.pool.clone());
            Member {
                pool,
                timeout: service.timeout,
            }
        });
        let services = members.collect();
        let balancer = Mutex::new(Balancer::new(options.balancer, backends)?);
        let UpstreamOptions {
            deadline,
            connect,
            wait,
            ..
        } = options;
        Ok(Self {
            shared: Arc::new(Shared {
                deadline,
                connect,
                wait,
                services,
                balancer,
            }),
        })
    }

    /// Asks one service after the other until one has answered, at the latest until the deadline.
    ///
    /// Each attempt has the smaller of its service's timeout and of a fair share of what is left,
    /// at least 5 s, so that the services behind it have their turn: see [`attempt_limit`].
    ///
    /// A connection that was kept and fails before a byte of an answer is replaced by a new one,
    /// once and within the same attempt: as a rule the server closed it while it was idle. Whether
    /// it had read the request by then cannot be known.
    ///
    /// `on_event` is called as things happen, and must not block. Use [`Preference::None`] unless
    /// the request belongs to others: then stick to who answered them.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], with what each service that was asked did.
    pub async fn ask(
        &self,
        request: &Request,
        preference: Preference,
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<Answer, Exhausted> {
        let Shared {
            deadline,
            wait,
            services,
            ..
        } = &*self.shared;
        let begin = Instant::now();
        let mut now = begin;
        let mut tried = Tried::default();
        let mut attempts = Vec::new();
        loop {
            let left = deadline.saturating_sub(now.saturating_duration_since(begin));
            let unasked = services.len() - attempts.len();
            if left.is_zero() {
                return Err(Exhausted { attempts });
            }
            let picked = self.balancer().pick(now.into_std(), preference, &mut tried);
            let Some((backend, member)) =
                picked.and_then(|id| Some((id, services.get(id.index())?)))
            else {
                return Err(Exhausted { attempts });
            };
            let limit = attempt_limit(member.timeout, left, unasked);
            let wait = if unasked > 1 { *wait } else { limit };
            let mut has_place = false;
            let attempt = async {
                let lease = member.pool.lease(wait).await?;
                has_place = true;
                let until = now.checked_add(limit);
                self.attempt(backend, lease, request, until, &mut on_event)
                    .await
            };
            let result = match timeout(limit, attempt).await {
                Ok(result) => result,
                // It was not even asked.
                Err(_) if !has_place => Err(AttemptError::Busy),
                Err(_) => Err(AttemptError::TimedOut),
            };
            let end = Instant::now();
            let took = end.saturating_duration_since(now);
            now = end;
            let outcome = match &result {
                Ok(response) => {
                    on_event(Event::Answered {
                        backend,
                        response,
                        took,
                    });
                    Outcome::Success
                }
                Err(error) => {
                    on_event(Event::Failed {
                        backend,
                        error,
                        took,
                    });
                    Outcome::Failure { took }
                }
            };
            if result
                .as_ref()
                .map_or_else(AttemptError::blames_server, |_| true)
            {
                let transition = self.balancer().observe(now.into_std(), backend, outcome);
                if let Some(transition) = transition {
                    on_event(Event::Changed {
                        backend,
                        transition,
                        because: result.as_ref().err(),
                    });
                }
            }
            match result {
                Ok(response) => return Ok(Answer { backend, response }),
                Err(error) => attempts.push((backend, error)),
            }
        }
    }

    /// Whether this service is up; meant for status pages.
    #[must_use]
    pub fn status(&self, backend: BackendId) -> Status {
        self.balancer().status(backend)
    }

    /// Closes upstream connections that have been idle for too long, once a second, for ever. Spawn
    /// it beside a server that lives long.
    pub async fn maintain(&self) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tick.tick().await;
            for service in &self.shared.services {
                service.pool.trim();
            }
        }
    }

    async fn attempt(
        &self,
        backend: BackendId,
        mut lease: Lease<C>,
        request: &Request,
        until: Option<Instant>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        if let Some(client) = lease.reused() {
            match client.ask(request).await {
                // The server closed a connection that it had kept open, as it may at any time. That
                // is nobody's fault, and a new one shows whether it is still there.
                Err(AttemptError::Closed | AttemptError::Io(_)) if !client.heard() => {}
                Err(error) => return Err(error),
                Ok(response) => {
                    lease.give_back();
                    return Ok(response);
                }
            }
        }
        on_event(Event::Opening(backend));
        // Addresses share what is left, so it has to be right.
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let within = [self.shared.connect, left].into_iter().flatten().min();
        let client = lease.open(within.unwrap_or(Duration::MAX)).await?;
        on_event(Event::Connected(backend));
        let response = client.ask(request).await?;
        lease.give_back();
        Ok(response)
    }

    fn balancer(&self) -> MutexGuard<'_, Balancer> {
        // The balancer does not panic; if it did, its state would still be whole.
        self.shared
            .balancer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connect> Clone for Upstream<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// How long one attempt may take: the smallest of the service's own timeout, of what is left of the
/// request's deadline, and of the larger of 5 s and an equal share of that for each service not yet
/// asked.
///
/// So three hung services leave time for a fourth, and the last one asked may use all that is left.
///
/// ```
/// use policy_net::attempt_limit;
/// use std::time::Duration;
///
/// let seconds = Duration::from_secs;
/// assert_eq!(attempt_limit(seconds(30), seconds(90), 4), Duration::from_millis(22_500));
/// assert_eq!(attempt_limit(seconds(10), seconds(90), 4), seconds(10));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 4), seconds(5));
/// assert_eq!(attempt_limit(seconds(30), seconds(12), 1), seconds(12));
/// ```
#[must_use]
pub fn attempt_limit(timeout: Duration, left: Duration, unasked: usize) -> Duration {
    let share = left / u32::try_from(unasked.max(1)).unwrap_or(u32::MAX);
    timeout.min(share.max(LEAST_SHARE)).min(left)
}

/// A server that answers at all answers within this time.
const LEAST_SHARE: Duration = Duration::from_secs(5);
