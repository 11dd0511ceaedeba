//! Groups of services, and what holds for one.

use std::time::Duration;

use policy_flow::{Retry, Route, Strategy, UpstreamOptions};
use policy_socket::Endpoint;

use super::{Affinity, DefaultAction, MirrorOptions, NamedListener};

/// Groups of services, listeners with rules of their own, routes and mirrors.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Empty where no file has named one: then all services are one group.
    pub list: Vec<Group>,
    /// Listeners with names.
    pub listeners: Vec<NamedListener>,
    /// With the indexes of groups, and of listeners from 1 on: 0 is that of all without a name.
    pub routes: Vec<Route>,
    /// Services that a share of the requests also goes to.
    pub mirrors: Vec<MirrorOptions>,
    /// The index of the group that requests go to which no route takes, where their listener names none.
    pub fallback: Option<usize>,
}

/// A group of services.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The names of its services.
    pub services: Vec<String>,
    /// What holds for it.
    pub options: GroupOptions,
    /// The long options whose values are its own. The others are those of all.
    pub own: Vec<String>,
}

/// What holds for the services of a group.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// The action when no server answers.
    pub default: Option<DefaultAction>,
    /// Whether the requests of one message go to the same server; without a word it follows from the number of services.
    pub affinity: Option<Affinity>,
    /// The longest that a request may take in all.
    pub deadline: Duration,
    /// Who is asked among the services of one priority that are up.
    pub balance: Strategy,
    /// When a request that one server has failed is put to the next.
    pub retry: Retry,
    /// The longest that a request may take with services that are down, once no other is left.
    pub last_resort: Duration,
    /// Connections to each service at once.
    pub max_connections: usize,
    /// How old a connection to a service may get.
    pub max_age: Duration,
    /// How long an unused connection to a service is kept that has no time of its own.
    pub keep: Option<Duration>,
    /// How many failures in a row take a service down.
    pub max_failures: u32,
}

impl Default for GroupOptions {
    fn default() -> Self {
        let upstream = UpstreamOptions::default();
        Self {
            default: None,
            affinity: None,
            deadline: Duration::from_secs(90),
            balance: upstream.strategy,
            retry: upstream.retry,
            last_resort: upstream.last_resort,
            max_connections: upstream.max_connections,
            max_age: upstream.max_age,
            keep: None,
            max_failures: upstream.balancer.max_failures,
        }
    }
}

impl Groups {
    /// Looks at the sockets that a service manager has passed, which the file does not know: each needs a group for requests
    /// that no route takes.
    ///
    /// # Errors
    ///
    /// The socket without one, and what is meant.
    pub(crate) fn check_passed(&self, passed: &[Endpoint]) -> Result<(), String> {
        let takes_all = |route: &Route| route.covers(&Route::to(0));
        if self.list.is_empty() || self.fallback.is_some() || self.routes.iter().any(takes_all) {
            return Ok(());
        }
        // The file itself was looked at: each of its listeners has a group.
        let is_unknown =
            |endpoint: &&Endpoint| NamedListener::at(&self.listeners, endpoint).is_none();
        match passed.iter().find(is_unknown) {
            None => Ok(()),
            Some(endpoint) => Err(format!(
                "LISTEN_FDS: a request over the socket {endpoint} that no route takes has no group: give a [listener.NAME] with \
                 this `address` and a `group`, a last [[route]] with nothing but its `group`, or a service that no group lists"
            )),
        }
    }
}

/// The name of the group that services without another one belong to.
pub const DEFAULT_GROUP: &str = "default";
