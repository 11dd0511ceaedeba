//! Which requests go to which group of backends, and by which rules.

use std::time::Duration;

use policy_proto::{Request, Response, attr};

/// Which requests go to which group of backends, and by which rules.
///
/// The first [`Route`] that takes a request says its group. One that none takes goes to the group of its listener.
///
/// ```
/// use policy_flow::{GroupRules, ListenerRules, Route, Routing};
/// use policy_proto::Request;
///
/// let mut routing = Routing::default();
/// routing.groups = vec![GroupRules::default(), GroupRules::default()];
/// routing.listeners = vec![ListenerRules::default()];
/// let mut submission = Route::to(1);
/// submission.contexts = vec![b"submission".to_vec()];
/// routing.routes = vec![submission];
///
/// let request = [("request", "smtpd_access_policy"), ("policy_context", "submission")];
/// assert_eq!(routing.group_of(0, &Request::from_attributes(request)?), 1);
/// assert_eq!(routing.group_of(0, &Request::from_attributes([("request", "smtpd_access_policy")])?), 0);
/// # Ok::<(), policy_proto::InvalidAttribute>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Routing {
    /// The rules of each group.
    pub groups: Vec<GroupRules>,
    /// The rules of each listener; the first one is that of clients whose listener is not known.
    pub listeners: Vec<ListenerRules>,
    /// In order: the first one that takes a request counts.
    pub routes: Vec<Route>,
}

/// The rules for requests to one group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupRules {
    /// As [`FlowOptions::affinity`](crate::FlowOptions::affinity); true by default.
    pub affinity: bool,
    /// As [`FlowOptions::default`](crate::FlowOptions::default).
    pub default: Unanswered,
}

/// The rules for requests that come over one listener.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListenerRules {
    /// The index of the group that its requests go to, if no route takes them. With an index of no group they get the
    /// default action.
    pub group: usize,
    /// What counts in the place of the group's.
    pub default: Option<Unanswered>,
    /// What counts in the place of the group's [deadline](crate::UpstreamOptions::deadline).
    pub deadline: Option<Duration>,
}

/// What a client gets where no backend answers.
#[derive(Clone, Debug)]
pub enum Unanswered {
    /// This reply.
    Reply(Response),
    /// Its connection is closed.
    Close,
}

/// A rule that takes some requests to a group. Of each kind of condition one has to hold, and none if there are none of
/// that kind.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// Values of `policy_context`, byte for byte; an empty one is that of a request without it.
    pub contexts: Vec<Vec<u8>>,
    /// Values of `protocol_state`, as Postfix writes them.
    pub states: Vec<Vec<u8>>,
    /// Indexes of listeners.
    pub listeners: Vec<u16>,
    /// The index of the group.
    pub group: usize,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) group: u16,
    pub(crate) affinity: bool,
    pub(crate) deadline: Option<Duration>,
}

impl Routing {
    /// The index of the group that a request goes to which comes over this listener.
    #[must_use]
    pub fn group_of(&self, listener: u16, request: &Request) -> usize {
        let mut routes = self.routes.iter();
        match routes.find(|route| route.takes(listener, request)) {
            Some(route) => route.group,
            None => self.listener(listener).map_or(0, |listener| listener.group),
        }
    }

    pub(crate) fn way(&self, listener: u16, request: &Request) -> Way {
        let group = self.group_of(listener, request);
        let rules = self.groups.get(group);
        Way {
            group: u16::try_from(group).unwrap_or(u16::MAX),
            affinity: rules.is_some_and(|rules| rules.affinity),
            deadline: self.listener(listener).and_then(|rules| rules.deadline),
        }
    }

    pub(super) fn listener(&self, listener: u16) -> Option<&ListenerRules> {
        self.listeners.get(usize::from(listener))
    }
}

impl Route {
    /// A rule that takes each request to this group.
    #[must_use]
    pub const fn to(group: usize) -> Self {
        Self {
            contexts: Vec::new(),
            states: Vec::new(),
            listeners: Vec::new(),
            group,
        }
    }

    /// Whether it takes a request that comes over this listener.
    #[must_use]
    pub fn takes(&self, listener: u16, request: &Request) -> bool {
        let is_one = |values: &[Vec<u8>], name| {
            let value = || request.get(name).unwrap_or_default();
            values.is_empty() || values.iter().any(|known| known == value())
        };
        (self.listeners.is_empty() || self.listeners.contains(&listener))
            && is_one(&self.contexts, attr::POLICY_CONTEXT)
            && is_one(&self.states, attr::PROTOCOL_STATE)
    }

    /// Whether it takes all that another one takes.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        fn all<T: PartialEq>(of: &[T], other: &[T]) -> bool {
            of.is_empty() || !other.is_empty() && other.iter().all(|value| of.contains(value))
        }
        all(&self.contexts, &other.contexts)
            && all(&self.states, &other.states)
            && all(&self.listeners, &other.listeners)
    }
}

impl Unanswered {
    pub(super) const fn response(&self) -> Option<&Response> {
        match self {
            Self::Reply(response) => Some(response),
            Self::Close => None,
        }
    }
}

impl Default for GroupRules {
    fn default() -> Self {
        Self {
            affinity: true,
            default: Unanswered::Reply(Response::dunno()),
        }
    }
}
