//! The tables of groups, listeners, routes and mirrors as they stand in a file. No command line has them.

use policy_daemon::ListenAddr;
use policy_socket::Endpoint;

use super::Place;
use crate::options::MirrorOptions;

/// Groups of services, listeners with rules of their own, and routes, as files say them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// `[group.NAME]`.
    pub(super) groups: Vec<GroupTable>,
    /// `[listener.NAME]`.
    pub(super) listeners: Vec<ListenerTable>,
    /// `[[route]]`.
    pub(super) routes: Vec<RouteTable>,
    /// `[mirror.NAME]`.
    pub(super) mirrors: Vec<MirrorTable>,
}

/// A name, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// The name.
    pub(super) text: String,
    pub(super) place: Place,
}

/// `[group.NAME]`.
#[derive(Clone, Debug)]
pub(super) struct GroupTable {
    /// Its name.
    pub(super) name: Name,
    /// The names of its services.
    pub(super) services: Vec<Name>,
    /// The words of a command line that say what differs from the settings of all.
    pub(super) words: Vec<String>,
}

/// `[listener.NAME]`.
#[derive(Clone, Debug)]
pub(super) struct ListenerTable {
    /// Its name.
    pub(super) name: Name,
    /// In the syntax of `--listen`.
    pub(super) address: String,
    /// Where that is.
    pub(super) endpoint: Endpoint,
    /// The group of its requests, if it names one.
    pub(super) group: Option<Name>,
    /// The words of a command line with its default action and its deadline.
    pub(super) words: Vec<String>,
}

/// `[[route]]`.
#[derive(Clone, Debug)]
pub(super) struct RouteTable {
    pub(super) place: Place,
    /// The values of `policy_context` that it takes; all, where there are none.
    pub(super) contexts: Vec<String>,
    /// The values of `protocol_state` that it takes, as Postfix writes them; all, where there are none.
    pub(super) states: Vec<String>,
    /// The names of the listeners whose requests it takes; of all, where there are none.
    pub(super) listeners: Vec<Name>,
    /// The group of what it takes.
    pub(super) group: Name,
}

/// `[mirror.NAME]`.
#[derive(Clone, Debug)]
pub(super) struct MirrorTable {
    pub(super) options: MirrorOptions,
    /// Where its group is named, if it is.
    pub(super) group: Option<Name>,
}

/// An address to listen at, and where it stands. The start says of one that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    pub(super) text: String,
    pub(super) address: Option<ListenAddr>,
    pub(super) place: Place,
}

impl RouteTable {
    /// Whether it takes each request.
    pub(super) fn takes_all(&self) -> bool {
        self.contexts.is_empty() && self.states.is_empty() && self.listeners.is_empty()
    }
}

/// The settings that a group may have of its own.
pub(super) const GROUP_OPTIONS: [&str; 10] = [
    "default",
    "affinity",
    "deadline",
    "balance",
    "retry",
    "last-resort",
    "max-connections",
    "max-age",
    "keep",
    "max-failures",
];
