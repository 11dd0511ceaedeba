//! Looking at services that are down beside the requests, so that none of those has to be the one
//! that finds them up again.

use std::{future::poll_fn, task::Poll, time::Duration};

use policy_ha::{BackendId, Mode, Outcome, Status};
use policy_proto::{Request, Response};
use tokio::time::{Instant, sleep, timeout};

use crate::{CheckError, Connect, Event, Lease, TimedOut, Upstream, upstream::Member};

/// How services that are down are looked at, by [`Upstream::check`].
///
/// ```
/// use policy_net::Check;
/// use std::time::Duration;
///
/// let check = Check::new(Duration::from_secs(5));
/// assert!(check.probe.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// How long after one check of a service the next one begins; each service has a moment of its
    /// own.
    pub every: Duration,
    /// What it is asked; `None` only opens a connection.
    ///
    /// A successful connection proves that something listens, or that a system keeps connections in a
    /// queue for what does not answer. So it brings back only services that could not be connected to.
    /// One that hung, closed or sent something else waits for its trial by a request, unless it is
    /// probed.
    pub probe: Option<Probe>,
}

impl Check {
    /// A check that only connects.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, probe: None }
    }

    /// The same with a probe.
    #[must_use]
    pub fn with_probe(self, probe: Probe) -> Self {
        Self {
            probe: Some(probe),
            ..self
        }
    }
}

/// A request that shows whether a service works.
///
/// It is a request like all others, and a policy server may count it: it should be about a sender, a
/// client and a recipient that nobody has.
///
/// ```
/// use policy_net::Probe;
/// use policy_proto::{Request, Response};
///
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let probe = Probe::new(request);
/// assert!(probe.passes(&Response::new("REJECT")?), "any answer does");
///
/// let probe = probe.expecting(Response::new("DEFER_IF_PERMIT")?);
/// assert!(probe.passes(&Response::new("defer_if_permit greylisted for 299 s")?));
/// assert!(!probe.passes(&Response::new("DUNNO")?));
///
/// let probe = probe.expecting(Response::new("REJECT probed")?);
/// assert!(!probe.passes(&Response::new("REJECT no quota left")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    request: Request,
    action: Option<Response>,
}

impl Probe {
    /// This request, to which any answer will do.
    #[must_use]
    pub const fn new(request: Request) -> Self {
        Self {
            request,
            action: None,
        }
    }

    /// The same, with this action for an answer: one without a text stands for all texts, and case
    /// does not matter.
    #[must_use]
    pub fn expecting(self, action: Response) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }

    /// What is asked.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Whether this answer will do.
    #[must_use]
    pub fn passes(&self, answer: &Response) -> bool {
        let Some(action) = &self.action else {
            return true;
        };
        let (action, answer) = (action.as_bytes(), answer.as_bytes());
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let answer = match action.iter().any(is_blank) {
            true => answer,
            false => answer.split(is_blank).next().unwrap_or_default(),
        };
        answer.eq_ignore_ascii_case(action)
    }
}

impl<C: Connect> Upstream<C> {
    /// Looks at the services that are down, for ever, and brings those back that pass. Spawn it
    /// beside a server that lives long; dropping it ends all that is under way.
    ///
    /// There is one check of a service at a time, and it takes one of its connections, if one is
    /// free: never one's place in the queue. It has the time of an attempt: that of connecting, and in
    /// all the service's own timeout. The connection is kept for requests. A check that fails puts
    /// off the service's next trial by a request for as long as it took.
    ///
    /// What an operator has disabled is not looked at.
    ///
    /// ```
    /// use policy_ha::{Backend, Preference, Status};
    /// use policy_net::{Check, Connector, Endpoint, Listener, Service, Upstream, UpstreamOptions};
    /// use policy_proto::Request;
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("policy.sock");
    /// let endpoint = Endpoint::Unix(path);
    /// let service = Service {
    ///     connect: Connector::new(endpoint.clone()),
    ///     backend: Backend::default(),
    ///     timeout: Duration::from_secs(10),
    ///     accepts: None,
    /// };
    /// let upstream = Upstream::new(UpstreamOptions::default(), [service])?;
    /// let id = upstream.ids().next().unwrap();
    ///
    /// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    /// upstream.ask(&request, Preference::None, |_| {}).await.unwrap_err();
    /// assert_ne!(upstream.status(id), Status::Up);
    ///
    /// // Its server is started, and no request need find out.
    /// let _listener = Listener::bind(&endpoint).await?;
    /// let check = Check::new(Duration::from_millis(5));
    /// let is_up = async {
    ///     while upstream.status(id) != Status::Up {
    ///         tokio::time::sleep(Duration::from_millis(1)).await;
    ///     }
    /// };
    /// tokio::select! {
    ///     () = upstream.check(&check, |_| {}) => unreachable!("it does not end by itself"),
    ///     () = is_up => {}
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn check(&self, check: &Check, on_event: impl Fn(Event<'_>)) {
        let services = u32::try_from(self.shared.services.len()).unwrap_or(u32::MAX);
        let apart = check.every / services.max(1);
        let watches = (0..)
            .zip(self.ids())
            .map(|(place, backend)| Box::pin(self.watch(backend, apart * place, check, &on_event)));
        let mut watches: Vec<_> = watches.collect();
        // None of them ends.
        poll_fn(|cx| {
            for watch in &mut watches {
                _ = watch.as_mut().poll(cx);
            }
            Poll::<()>::Pending
        })
        .await;
    }

    async fn watch(
        &self,
        backend: BackendId,
        offset: Duration,
        check: &Check,
        on_event: &impl Fn(Event<'_>),
    ) {
        let Some(member) = self.shared.services.get(backend.index()) else {
            return;
        };
        sleep(offset).await;
        loop {
            sleep(check.every).await;
            let is_down = self.status(backend) != Status::Up;
            let is_due = check.probe.is_some() || member.record.was_unreachable();
            if is_down && is_due && self.mode(backend) != Mode::Disabled {
                self.look_at(backend, member, check.probe.as_ref(), on_event)
                    .await;
            }
        }
    }

    async fn look_at(
        &self,
        backend: BackendId,
        member: &Member<C>,
        probe: Option<&Probe>,
        on_event: &impl Fn(Event<'_>),
    ) {
        let begin = Instant::now();
        let lease = member.pool.lease_for(self.asker(), begin, Some(begin));
        let Ok(mut lease) = lease.await else {
            return;
        };
        let checking = self.connect_and_probe(backend, &mut lease, member, probe, on_event);
        let result = match timeout(member.timeout, checking).await {
            Ok(result) => result,
            Err(_) => {
                let within = member.timeout;
                Err(lease.timed_out(TimedOut::Answer { within }).into())
            }
        };
        let end = Instant::now();
        let took = end.saturating_duration_since(begin);
        on_event(Event::Checked {
            backend,
            error: result.as_ref().err(),
            took,
        });
        let outcome = match &result {
            Ok(()) => {
                lease.give_back();
                Outcome::Success
            }
            Err(error) if error.blames_server() => Outcome::Failure { took },
            Err(_) => return,
        };
        self.observe(end, backend, outcome, None, &mut |event| on_event(event));
    }

    async fn connect_and_probe(
        &self,
        backend: BackendId,
        lease: &mut Lease<C>,
        member: &Member<C>,
        probe: Option<&Probe>,
        on_event: &impl Fn(Event<'_>),
    ) -> Result<(), CheckError> {
        on_event(Event::Opening(backend));
        let within = self.shared.options.connect.unwrap_or(member.timeout);
        lease.open(within.min(member.timeout)).await?;
        on_event(Event::Connected(backend));
        let Some(probe) = probe else {
            return Ok(());
        };
        let answer = member.accept(lease.ask(&probe.request).await?)?;
        match probe.passes(&answer) {
            true => Ok(()),
            false => Err(CheckError::Unexpected(answer)),
        }
    }
}
