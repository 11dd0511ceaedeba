//! The look-up of names by the system's resolver, each on a thread of its own, since it may take long.

use std::{
    collections::HashMap,
    fmt::Debug,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use policy_flow::{Address, Failure, Slot};

use crate::proxy::failure;

/// The look-ups that are under way, of all workers: one for each name, which tells all that have asked meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    ipv4_first: bool,
    under_way: Mutex<HashMap<(String, u16), Vec<Asking>>>,
}

/// A worker that has asked, and the number by which it knows the backend.
type Asking = (Arc<dyn ResolvedInbox>, Slot);

/// The inbox of a worker, for results of look-ups.
pub(crate) trait ResolvedInbox: Debug + Send + Sync {
    fn resolved(&self, slot: Slot, found: Found);
}

/// The result of a look-up.
pub(crate) type Found = Result<Vec<Address>, Failure>;

impl Resolver {
    /// With IPv4 addresses before IPv6 ones, if that is asked for.
    pub(crate) fn new(ipv4_first: bool) -> Self {
        Self {
            ipv4_first,
            ..Self::default()
        }
    }

    /// Tells this inbox the addresses of a backend, at some time.
    pub(crate) fn look_up(
        self: &Arc<Self>,
        slot: Slot,
        host: &str,
        port: u16,
        inbox: Arc<dyn ResolvedInbox>,
    ) {
        let name = (host.to_owned(), port);
        let mut under_way = self.under_way();
        let waiting = under_way.entry(name.clone()).or_default();
        waiting.push((inbox, slot));
        if waiting.len() > 1 {
            return;
        }
        drop(under_way);
        let look_up = {
            let (resolver, name) = (Arc::clone(self), name.clone());
            move || {
                let (host, port) = &name;
                let found = (host.as_str(), *port).to_socket_addrs();
                let found = found.map(Iterator::collect);
                resolver.found(&name, found.map_err(failure::of_look_up));
            }
        };
        let thread = thread::Builder::new().name("look-up".to_owned());
        if let Err(error) = thread.spawn(look_up) {
            self.found(&name, Err(failure::no_thread(host, &error)));
        }
    }

    fn found(&self, name: &(String, u16), found: Result<Vec<SocketAddr>, Failure>) {
        let found = found.map(|mut list| {
            if self.ipv4_first {
                list.sort_by_key(SocketAddr::is_ipv6);
            }
            list.into_iter().map(Address::Inet).collect()
        });
        let waiting = self.under_way().remove(name).unwrap_or_default();
        for (inbox, slot) in waiting {
            inbox.resolved(slot, again(&found));
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<(String, u16), Vec<Asking>>> {
        // Nothing that holds the lock can panic half-way.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy for one more worker.
fn again(found: &Found) -> Found {
    let again = |error: &io::Error| match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    };
    match found {
        Ok(list) => Ok(list.clone()),
        Err(Failure::Local(error)) => Err(Failure::Local(again(error))),
        Err(Failure::Unread(error) | Failure::Peer(error)) => Err(Failure::Peer(again(error))),
    }
}
