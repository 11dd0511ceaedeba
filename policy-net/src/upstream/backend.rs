//! The configuration of one backend: its name, its connector, and how it is asked.

use std::{sync::Arc, time::Duration};

use policy_proto::ActionSet;

use crate::Connect;

/// One backend of an [`Upstream`](crate::Upstream): its name, how to connect to it, and how it is asked.
///
/// ```
/// use policy_net::{BackendConfig, Connector};
/// use std::time::Duration;
///
/// let connector = Connector::new("inet:127.0.0.1:10031".parse()?);
/// let backend = BackendConfig::new("mx1", connector)
///     .priority(20)
///     .weight(3)
///     .timeout(Duration::from_secs(5))
///     .accepts("reject,4xx,dunno".parse()?);
/// assert_eq!(backend.name(), "mx1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackendConfig<C> {
    pub(super) name: Arc<str>,
    pub(super) connect: C,
    pub(super) flow: policy_flow::BackendConfig,
}

impl<C: Connect> BackendConfig<C> {
    /// A backend with this name, which stands in errors and belongs to no other backend of the upstream. With
    /// [`Strategy::Hash`](crate::Strategy::Hash) the requests that are its own follow from the name.
    pub fn new(name: impl Into<Arc<str>>, connect: C) -> Self {
        let name = name.into();
        let mut flow = policy_flow::BackendConfig::default();
        flow.backend = flow.backend.with_key(policy_ha::key([&*name]));
        Self {
            name,
            connect,
            flow,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lower ones are asked first, and others only when none of those answers. 10 by default.
    #[must_use]
    pub const fn priority(mut self, priority: u16) -> Self {
        self.flow.backend.priority = priority;
        self
    }

    /// Its share of the requests among the backends of its priority: from 1, the default, to 1000.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.flow.backend.weight = weight;
        self
    }

    /// The longest that one attempt may take, connecting and waiting for a permit included. 10 s by default: longer
    /// than any look-up in the DNS that a policy server may have to wait for.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.flow.timeout = timeout;
        self
    }

    /// The actions that it may answer with; any by default. Another answer counts as an invalid one: it reaches nobody,
    /// and the next backend is asked ([`AttemptError::NotAllowed`](crate::AttemptError::NotAllowed)).
    #[must_use]
    pub fn accepts(mut self, actions: ActionSet) -> Self {
        self.flow.accepts = Some(actions);
        self
    }

    /// How long an unused connection is kept; zero closes it after each answer. 60 s by default, below the idle limits
    /// of the common policy servers.
    #[must_use]
    pub const fn keep(mut self, keep: Duration) -> Self {
        self.flow.keep = keep;
        self
    }

    /// The part for the state machine, and the part that connects.
    pub(super) fn into_parts(self) -> (policy_flow::BackendConfig, Target<C>) {
        let Self {
            name,
            connect,
            mut flow,
        } = self;
        connect.describe(&mut flow);
        let target = Target {
            name,
            place: connect.place().map(Arc::from),
            connect: Arc::new(connect),
        };
        (flow, target)
    }
}

/// A backend as the driver knows it.
#[derive(Debug)]
pub(super) struct Target<C> {
    pub(super) name: Arc<str>,
    pub(super) place: Option<Arc<str>>,
    pub(super) connect: Arc<C>,
}
