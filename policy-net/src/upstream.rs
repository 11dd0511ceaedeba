use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_ha::{Backend, BackendId, Balancer, ConfigError, Outcome, Preference, Status, Tried};
use policy_proto::{Request, Response};
use tokio::time::{Instant, timeout};

use crate::{
    Answer, AttemptError, Connect, Event, Exhausted, Lease, Pool, Retry, UpstreamOptions,
    budget::Budget,
};

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
    options: UpstreamOptions,
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
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                services,
                balancer,
            }),
        })
    }

    /// Asks one service after the other until one has answered, at the latest until the deadline.
    ///
    /// Each attempt has the smaller of its service's timeout and of a fair share of what is left,
    /// at least 5 s, so that the services behind it have their turn: see
    /// [`attempt_limit`](crate::attempt_limit). When only services are left that are down and not due
    /// for a trial, then what they take together is bounded by
    /// [`last_resort`](UpstreamOptions::last_resort).
    ///
    /// A connection that was kept and fails before a byte of an answer is replaced by a new one,
    /// once and within the same attempt: as a rule the server closed it while it was idle. Nobody is
    /// blamed. Whether the server had read the request by then can be known in some cases only, and
    /// with [`Retry::Unsent`] it is done in those.
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
        let options = &self.shared.options;
        let mut now = Instant::now();
        let mut budget = Budget::new(now, options.deadline, options.last_resort);
        let mut tried = Tried::new();
        let mut attempts = Vec::new();
        loop {
            if budget.left(now).is_zero() {
                return Err(Exhausted { attempts });
            }
            let Some((backend, member, unasked)) = self.pick(now, preference, &mut tried) else {
                return Err(Exhausted { attempts });
            };
            let limit = match tried.is_last_resort() {
                false => budget.attempt(now, member.timeout, unasked),
                true => budget.last_resort(now, member.timeout, unasked),
            };
            if limit.is_zero() {
                return Err(Exhausted { attempts });
            }
            let wait = if unasked > 1 { options.wait } else { limit };
            // It outlives the attempt, which may be dropped half-way: it tells how far that came.
            let mut lease = None;
            let attempt = async {
                let lease = lease.insert(member.pool.lease(wait).await?);
                let until = now.checked_add(limit);
                self.attempt(backend, lease, request, until, &mut on_event)
                    .await
            };
            let result = match timeout(limit, attempt).await {
                Ok(result) => result,
                Err(_) if lease.is_some() => Err(AttemptError::TimedOut),
                // It was not even asked.
                Err(_) => Err(AttemptError::Busy),
            };
            let end = Instant::now();
            let took = end.saturating_duration_since(now);
            now = end;
            let error = match result {
                Ok(response) => {
                    if let Some(lease) = lease {
                        lease.give_back();
                    }
                    on_event(Event::Answered {
                        backend,
                        response: &response,
                        took,
                    });
                    self.observe(now, backend, Outcome::Success, None, &mut on_event);
                    return Ok(Answer { backend, response });
                }
                Err(error) => error,
            };
            on_event(Event::Failed {
                backend,
                error: &error,
                took,
            });
            let was_closed = lease.as_ref().is_some_and(|lease| lease.was_closed(&error));
            // That a last resort fails is no news: it was down, and had little time. If it counted,
            // then as long as such requests come there would be no trial with a fair chance.
            if error.blames_server() && !was_closed && !tried.is_last_resort() {
                let outcome = Outcome::Failure { took };
                self.observe(now, backend, outcome, Some(&error), &mut on_event);
            }
            let unsent = lease.is_none_or(|lease| lease.unsent(&error));
            attempts.push((backend, error));
            if options.retry == Retry::Unsent && !unsent {
                return Err(Exhausted { attempts });
            }
        }
    }

    /// The services, in the order in which they were given.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = BackendId> + use<C> {
        self.balancer().ids()
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
        lease: &mut Lease<C>,
        request: &Request,
        until: Option<Instant>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        if let Some(client) = lease.reused() {
            let error = match client.ask(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // The server closed a connection that it had kept open, as it may at any time. That is
            // nobody's fault, and a new one shows whether it is still there.
            let again = self.shared.options.retry == Retry::Always || lease.unsent(&error);
            if !(again && lease.was_closed(&error)) {
                return Err(error);
            }
        }
        on_event(Event::Opening(backend));
        // Addresses share what is left, so it has to be right.
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let within = [self.shared.options.connect, left]
            .into_iter()
            .flatten()
            .min();
        let client = lease.open(within.unwrap_or(Duration::MAX)).await?;
        on_event(Event::Connected(backend));
        client.ask(request).await
    }

    /// Who is next, and how many are left for this request, that one included.
    fn pick(
        &self,
        now: Instant,
        preference: Preference,
        tried: &mut Tried,
    ) -> Option<(BackendId, &Member<C>, usize)> {
        let mut balancer = self.balancer();
        let unasked = balancer.left(*tried);
        let backend = balancer.pick(now.into_std(), preference, tried)?;
        let member = self.shared.services.get(backend.index())?;
        Some((backend, member, unasked))
    }

    fn observe(
        &self,
        now: Instant,
        backend: BackendId,
        outcome: Outcome,
        because: Option<&AttemptError>,
        on_event: &mut impl FnMut(Event<'_>),
    ) {
        let transition = self.balancer().observe(now.into_std(), backend, outcome);
        if let Some(transition) = transition {
            on_event(Event::Changed {
                backend,
                transition,
                because,
            });
        }
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
