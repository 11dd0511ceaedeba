//! Listeners that have names, and rules of their own.

use std::time::Duration;

use policy_daemon::ListenAddr;
use policy_socket::Endpoint;

use super::DefaultAction;

/// A listener with a name.
#[derive(Clone, Debug)]
pub struct NamedListener {
    /// Its name.
    pub name: String,
    /// Its address as it was written.
    pub address: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The index of the group that its requests go to, if it names one.
    pub group: Option<usize>,
    /// Its action when no server answers, if it has one of its own.
    pub default: Option<DefaultAction>,
    /// The longest that its requests may take, if it says so.
    pub deadline: Option<Duration>,
}

impl NamedListener {
    /// The index of the one that is to listen there.
    pub(crate) fn at(listeners: &[Self], endpoint: &Endpoint) -> Option<usize> {
        let exact = listeners
            .iter()
            .position(|listener| listener.endpoint == *endpoint);
        // A service manager's socket has an address where the file may have a name, and a path without links.
        let address = || ListenAddr::from(endpoint.clone());
        exact.or_else(|| {
            let mut listeners = listeners.iter();
            listeners.position(|listener| {
                address().overlaps(&ListenAddr::from(listener.endpoint.clone()))
            })
        })
    }
}
