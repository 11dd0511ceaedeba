//! Several policy servers as one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_ha::{Backend, BackendId, Balancer, ConfigError, Mode, Status};
use policy_proto::{ActionSet, Response};

use crate::{
    AttemptError, Connect, Counts, Pool, Retry, UpstreamOptions, pool::Asker, record::Record,
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
    /// The actions that it may answer with; `None` is any. Another answer counts as an invalid one: it
    /// reaches nobody, the next service is asked (with [`Retry::Unsent`] none, since this one has read
    /// the request), and the balancer sees a failure: [`AttemptError::NotAllowed`].
    pub accepts: Option<ActionSet>,
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
///         accepts: None,
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
    pub(crate) shared: Arc<Shared<C>>,
    /// Whose idle connections it takes first.
    pub(crate) worker: usize,
}

#[derive(Debug)]
pub(crate) struct Shared<C: Connect> {
    pub(crate) options: UpstreamOptions,
    pub(crate) services: Vec<Member<C>>,
    /// Never held across an await.
    balancer: Mutex<Balancer>,
}

#[derive(Debug)]
pub(crate) struct Member<C: Connect> {
    pub(crate) pool: Arc<Pool<C>>,
    pub(crate) timeout: Duration,
    accepts: Option<ActionSet>,
    pub(crate) record: Arc<Record>,
}

impl<C: Connect> Member<C> {
    fn new(service: Service<C>, options: &UpstreamOptions) -> Self {
        Self {
            pool: Pool::new(service.connect, options.pool.clone()),
            timeout: service.timeout,
            accepts: service.accepts,
            record: Arc::default(),
        }
    }

    /// The answer, if this service may give it.
    pub(crate) fn accept(&self, answer: Response) -> Result<Response, AttemptError> {
        match &self.accepts {
            Some(accepts) if !accepts.allows(&answer) => Err(AttemptError::not_allowed(&answer)),
            _ => Ok(answer),
        }
    }
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
        let members = services
            .into_iter()
            .map(|service| (service.backend, Member::new(service, &options)));
        let (backends, services): (Vec<_>, Vec<_>) = members.unzip();
        let balancer = Balancer::new(options.balancer, backends)?;
        Ok(Self::of(options, services, balancer))
    }

    /// An upstream for a list that has changed, in which the services that stay keep their health,
    /// mode, counters and connections. Each comes with the id that it has here, or `None` if it is
    /// new. What is said of it besides is taken over, but for how to connect to it and the options of
    /// its pool: a service whose address has changed is a new one.
    ///
    /// This one goes on as it is, so that what is under way ends as it began, with ids of the old
    /// list; what it learns from now on, the new one does not. When the last user of it has gone, the
    /// idle connections to services that do not stay are closed.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use policy_ha::{Backend, Mode};
    /// use policy_net::{Connector, Service, Upstream, UpstreamOptions};
    /// use std::time::Duration;
    ///
    /// let service = |port: u16| -> Result<_, policy_net::InvalidEndpoint> {
    ///     Ok(Service {
    ///         connect: Connector::new(format!("inet:127.0.0.1:{port}").parse()?),
    ///         backend: Backend::default(),
    ///         timeout: Duration::from_secs(10),
    ///         accepts: None,
    ///     })
    /// };
    /// let old = Upstream::new(UpstreamOptions::default(), [service(10031)?, service(10032)?])?;
    /// let stays = old.ids().nth(1).expect("there are two");
    /// old.set_mode(stays, Mode::Drain);
    ///
    /// let list = [(service(10033)?, None), (service(10032)?, Some(stays))];
    /// let new = old.renewed(UpstreamOptions::default(), list)?;
    /// let modes: Vec<_> = new.ids().map(|id| new.mode(id)).collect();
    /// assert_eq!(modes, [Mode::Enabled, Mode::Drain]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn renewed(
        &self,
        options: UpstreamOptions,
        services: impl IntoIterator<Item = (Service<C>, Option<BackendId>)>,
    ) -> Result<Self, ConfigError> {
        let members = services.into_iter().map(|(service, known)| {
            let old = known.and_then(|id| self.shared.services.get(id.index()));
            let backend = service.backend;
            let member = match old {
                Some(Member { pool, record, .. }) => Member {
                    pool: Arc::clone(pool),
                    record: Arc::clone(record),
                    timeout: service.timeout,
                    accepts: service.accepts,
                },
                None => Member::new(service, &options),
            };
            ((backend, known), member)
        });
        let (backends, services): (Vec<_>, Vec<_>) = members.unzip();
        let balancer = self.balancer().renewed(options.balancer, backends)?;
        Ok(Self::of(options, services, balancer))
    }

    fn of(options: UpstreamOptions, services: Vec<Member<C>>, balancer: Balancer) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                services,
                balancer: Mutex::new(balancer),
            }),
            worker: 0,
        }
    }

    /// The same for one of several threads that have a runtime each, counted from 0. Each uses the
    /// idle connections that its own runtime looks after, and [takes over](Connect::adopt) those of
    /// others when it has none.
    #[must_use]
    pub fn for_worker(&self, worker: usize) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            worker,
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

    /// What has come of the attempts at this service; nothing if there is none.
    #[must_use]
    pub fn counts(&self, backend: BackendId) -> Counts {
        let member = self.shared.services.get(backend.index());
        member.map_or_else(Counts::default, |member| member.record.counts())
    }

    /// Says whether a service is to be asked, whatever its health is: from the next attempt on. What
    /// is under way is not touched. With none enabled, each request fails at once.
    ///
    /// ```
    /// use policy_ha::{Backend, Mode, Preference};
    /// use policy_net::{Connector, Service, Upstream, UpstreamOptions};
    /// use policy_proto::Request;
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let service = Service {
    ///     connect: Connector::new("inet:127.0.0.1:1".parse()?),
    ///     backend: Backend::default(),
    ///     timeout: Duration::from_secs(10),
    ///     accepts: None,
    /// };
    /// let upstream = Upstream::new(UpstreamOptions::default(), [service])?;
    /// for id in upstream.ids() {
    ///     upstream.set_mode(id, Mode::Disabled);
    ///     assert_eq!(upstream.mode(id), Mode::Disabled);
    /// }
    /// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    /// let exhausted = upstream.ask(&request, Preference::None, |_| {}).await.unwrap_err();
    /// assert!(exhausted.attempts.is_empty(), "nobody was asked");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_mode(&self, backend: BackendId, mode: Mode) {
        self.balancer().set_mode(backend, mode);
    }

    /// What was said last of a service, [`Mode::Enabled`] at first.
    #[must_use]
    pub fn mode(&self, backend: BackendId) -> Mode {
        self.balancer().mode(backend)
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

    pub(crate) fn asker(&self) -> Asker {
        let options = &self.shared.options;
        let trust = match options.retry {
            Retry::Always => options.pool.trust,
            // What is found out before a request is written need not be guessed later.
            Retry::Unsent => Duration::ZERO,
        };
        Asker {
            worker: self.worker,
            trust,
        }
    }

    pub(crate) fn balancer(&self) -> MutexGuard<'_, Balancer> {
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
            worker: self.worker,
        }
    }
}
