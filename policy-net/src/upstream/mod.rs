//! Several policy servers as one.

use std::{fmt, sync::Arc};

use policy_flow::{Counts, Shared, Slot, UpstreamOptions};
use policy_ha::{ConfigError, Mode, Status};

use crate::{Connect, timer::now};

mod ask;

mod backend;
pub use backend::BackendConfig;

mod check;
mod driver;

mod error;
pub use error::{Attempt, Exhausted};

mod event;
pub use event::Event;

mod link;
mod link_task;

mod machine;
use machine::Inner;

mod resolve;

mod session;
pub use session::Session;

/// Several policy servers as one: asks them in turn until one has answered.
///
/// Clones share everything, and may be used from any thread. A request that is given up (its future
/// dropped) leaves nothing behind but a closed connection; nothing is learned from it about its
/// server.
///
/// Each connection has a task of its own, in the runtime that it was opened in, which has to run as long as the
/// connection is used; when a runtime ends, its connections are closed. The tasks end when the last clone is dropped.
///
/// ```
/// use policy_net::{BackendConfig, Connector, Request, Upstream, UpstreamOptions};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let backends = [
///     BackendConfig::new("mx1", Connector::new("inet:127.0.0.1:1".parse()?)),
///     BackendConfig::new("mx2", Connector::new("unix:/nonexistent/policy.sock".parse()?)).priority(20),
/// ];
/// let upstream = Upstream::new(UpstreamOptions::default(), backends)?;
/// assert_eq!(upstream.name(upstream.ids()[0]).as_deref(), Some("mx1"));
///
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let exhausted = upstream.ask(&request).await.unwrap_err();
/// assert_eq!(
///     exhausted.to_string(),
///     "no policy server answered: \
///      mx1 (inet:127.0.0.1:1): cannot connect: Connection refused (os error 111); \
///      mx2 (unix:/nonexistent/policy.sock): cannot connect: No such file or directory (os error 2)",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Upstream<C: Connect> {
    inner: Arc<Inner<C>>,
}

impl<C: Connect> Upstream<C> {
    /// Of these backends.
    ///
    /// # Errors
    ///
    /// No backend, more than 64, two of one name, or a weight that is out of bounds.
    pub fn new(
        options: UpstreamOptions,
        backends: impl IntoIterator<Item = BackendConfig<C>>,
    ) -> Result<Self, ConfigError> {
        let backends = backends.into_iter().map(BackendConfig::into_parts);
        let (configs, targets): (Vec<_>, Vec<_>) = backends.unzip();
        let all = configs.iter().map(|config| config.backend);
        let shared = Shared::new(options.balancer, all, 1)?;
        let flow = policy_flow::Upstream::new(now(), options, configs, &shared, 0);
        Ok(Self {
            inner: Inner::new(flow, targets),
        })
    }

    /// Goes by another list from now on, in which the backends that stay keep their health, mode, counters and
    /// connections. Each comes with its number here, or `None` if it is new. What is said of it besides is taken over,
    /// but for how to connect to it and where it is: a backend whose address has changed is a new one.
    ///
    /// Requests under way end as they began. Connections to backends that do not stay are closed when they are not in use.
    /// All clones go by the new list. The numbers of all backends, in the order of the list.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing has changed then.
    ///
    /// ```
    /// use policy_net::{BackendConfig, Connector, Mode, Upstream, UpstreamOptions};
    ///
    /// let backend = |port: u16| -> Result<_, policy_net::InvalidEndpoint> {
    ///     let endpoint = format!("inet:127.0.0.1:{port}");
    ///     Ok(BackendConfig::new(&*endpoint, Connector::new(endpoint.parse()?)))
    /// };
    /// let upstream = Upstream::new(UpstreamOptions::default(), [backend(10031)?, backend(10032)?])?;
    /// let stays = upstream.ids()[1];
    /// upstream.set_mode(stays, Mode::Drain);
    ///
    /// let list = [(backend(10033)?, None), (backend(10032)?, Some(stays))];
    /// let ids = upstream.exchange(UpstreamOptions::default(), list)?;
    /// assert_eq!(ids[1], stays);
    /// let modes: Vec<_> = ids.iter().map(|id| upstream.mode(*id)).collect();
    /// assert_eq!(modes, [Some(Mode::Enabled), Some(Mode::Drain)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exchange(
        &self,
        options: UpstreamOptions,
        backends: impl IntoIterator<Item = (BackendConfig<C>, Option<Slot>)>,
    ) -> Result<Vec<Slot>, ConfigError> {
        let backends = backends.into_iter();
        let backends = backends.map(|(backend, known)| (backend.into_parts(), known));
        let backends: Vec<_> = backends.collect();
        self.inner.with(|flow, driver| {
            // Some may not be listed any more, and are new then.
            let is_listed = |slot: &Slot| flow.id(*slot).is_some();
            let backends = backends.into_iter();
            let backends = backends.map(|(backend, known)| (backend, known.filter(is_listed)));
            let backends: Vec<_> = backends.collect();
            let all = backends
                .iter()
                .map(|((config, _), known)| (config.backend, known.and_then(|slot| flow.id(slot))));
            let shared = flow.shared().renewed(options.balancer, all)?;
            let (targets, configs): (Vec<_>, Vec<_>) = backends
                .into_iter()
                .map(|((config, target), known)| (target, (config, known)))
                .unzip();
            let known: Vec<_> = configs.iter().map(|(_, known)| *known).collect();
            let slots = flow.exchange(options, configs, &shared, driver);
            for ((slot, target), known) in slots.iter().zip(targets).zip(known) {
                if known == Some(*slot) {
                    driver.rename(*slot, target.name);
                } else {
                    driver.put(*slot, target);
                }
            }
            Ok(slots)
        })
    }

    /// The numbers of the backends, in the order of the list.
    #[must_use]
    pub fn ids(&self) -> Vec<Slot> {
        self.inner.look(|flow, _| flow.slots().to_vec())
    }

    /// The name of this backend; `None` if it is not listed any more.
    #[must_use]
    pub fn name(&self, backend: Slot) -> Option<Arc<str>> {
        self.inner.look(|flow, driver| {
            flow.id(backend)?;
            driver.name(backend)
        })
    }

    /// Whether this backend is up; meant for status pages. `None` if it is not listed any more.
    #[must_use]
    pub fn status(&self, backend: Slot) -> Option<Status> {
        self.inner
            .look(|flow, _| Some(flow.status(flow.id(backend)?)))
    }

    /// The counts of the attempts at this backend; nothing if it is not listed any more.
    #[must_use]
    pub fn counts(&self, backend: Slot) -> Counts {
        self.inner.look(|flow, _| {
            let id = flow.id(backend);
            id.map_or_else(Counts::default, |id| flow.shared().counts(id))
        })
    }

    /// How many connections this backend has, those that are not in use among them.
    #[must_use]
    pub fn open(&self, backend: Slot) -> usize {
        self.inner.look(|flow, _| {
            let id = flow.id(backend);
            id.map_or(0, |id| flow.shared().open(id))
        })
    }

    /// Says whether a backend is to be asked, whatever its health is: from the next attempt on. What
    /// is under way is not touched. With none enabled, each request fails at once.
    ///
    /// ```
    /// use policy_net::{BackendConfig, Connector, Mode, Request, Upstream, UpstreamOptions};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let backend = BackendConfig::new("mx1", Connector::new("inet:127.0.0.1:1".parse()?));
    /// let upstream = Upstream::new(UpstreamOptions::default(), [backend])?;
    /// for id in upstream.ids() {
    ///     upstream.set_mode(id, Mode::Disabled);
    ///     assert_eq!(upstream.mode(id), Some(Mode::Disabled));
    /// }
    /// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    /// let exhausted = upstream.ask(&request).await.unwrap_err();
    /// assert!(exhausted.attempts.is_empty(), "nobody was asked");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_mode(&self, backend: Slot, mode: Mode) {
        self.inner.look(|flow, _| {
            if let Some(id) = flow.id(backend) {
                flow.shared().balancer().set_mode(id, mode);
            }
        });
    }

    /// The mode of a backend, [`Mode::Enabled`] at first. `None` if it is not listed any more.
    #[must_use]
    pub fn mode(&self, backend: Slot) -> Option<Mode> {
        self.inner
            .look(|flow, _| Some(flow.shared().balancer().mode(flow.id(backend)?)))
    }
}

impl<C: Connect> Clone for Upstream<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<C: Connect> fmt::Debug for Upstream<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.inner).finish()
    }
}
