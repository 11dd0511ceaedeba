use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use ipnet::IpNet;
use thiserror::Error;

/// Who may connect, and how many at once: one for all workers and listeners.
#[derive(Debug)]
pub(crate) struct Admission {
    allow: Vec<IpNet>,
    most: usize,
    most_per_address: Option<NonZeroUsize>,
    open: AtomicUsize,
    /// Only where they are limited.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Which way a client comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// A listener that only this machine can reach. Over a UNIX socket its mode says who may connect.
    Local,
    /// One that others can reach.
    Open,
    /// It has been let in already, and is passed on.
    Passed,
}

/// Why a connection is closed as soon as it has been accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Refusal {
    #[error("closing a connection from {0}: not in --allow")]
    NotAllowed(IpAddr),
    #[error("closing a connection: {0} clients are connected (--max-clients)")]
    Full(usize),
    #[error("closing a connection from {0}: it has {1} (--max-clients-per-address)")]
    FullForAddress(IpAddr, NonZeroUsize),
}

impl Admission {
    pub(crate) fn new(
        allow: Vec<IpNet>,
        most: usize,
        most_per_address: Option<NonZeroUsize>,
    ) -> Self {
        Self {
            allow,
            most,
            most_per_address,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
        }
    }

    /// Whether a client at this address is served at all; it has none over a UNIX socket. A listener on
    /// loopback serves loopback, whatever else is allowed.
    pub(crate) fn allows(&self, client: Option<IpAddr>, door: Door) -> Result<(), Refusal> {
        let Some(address) = client.map(canonical) else {
            return Ok(());
        };
        let is_allowed = match door {
            Door::Passed => true,
            Door::Local if address.is_loopback() => true,
            _ => self.allow.iter().any(|net| net.contains(&address)),
        };
        match is_allowed {
            true => Ok(()),
            false => Err(Refusal::NotAllowed(address)),
        }
    }

    /// Counts it in, if there is room. What is returned is to be given to [`leave`](Self::leave) when
    /// its connection ends. It is small, since it is kept for each.
    pub(crate) fn enter(&self, client: Option<IpAddr>) -> Result<Entry, Refusal> {
        let below = |open: usize| (open < self.most).then_some(open + 1);
        if self.open.fetch_update(Relaxed, Relaxed, below).is_err() {
            return Err(Refusal::Full(self.most));
        }
        let (Some(address), Some(most)) = (client.map(canonical), self.most_per_address) else {
            return Ok(None);
        };
        let mut by_address = self.by_address();
        let count = by_address.entry(address).or_default();
        if *count >= most.get() {
            self.open.fetch_sub(1, Relaxed);
            return Err(Refusal::FullForAddress(address, most));
        }
        *count += 1;
        Ok(Some(Box::new(address)))
    }

    /// Counts it out.
    pub(crate) fn leave(&self, entry: &Entry) {
        self.open.fetch_sub(1, Relaxed);
        let Some(address) = entry else {
            return;
        };
        let mut by_address = self.by_address();
        if let Some(count) = by_address.get_mut(&**address) {
            *count -= 1;
            if *count == 0 {
                // The table is never larger than the number of connections.
                by_address.remove(&**address);
            }
        }
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing that holds the lock can panic half-way.
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address for which a connection is counted, if it is.
pub(crate) type Entry = Option<Box<IpAddr>>;

/// A socket that serves IPv6 and IPv4 sees the latter in the guise of the former.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(allow: &[&str], most: usize, per_address: usize) -> Admission {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        Admission::new(allow, most, NonZeroUsize::new(per_address))
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn who_is_served_depends_on_the_listener_and_the_allowed_networks() {
        let none = admission(&[], 10, 0);
        let some = admission(&["192.0.2.0/24", "2001:db8::/32"], 10, 0);
        for (admission, client, door, served) in [
            (&none, "127.0.0.1", Door::Local, true),
            (&none, "127.9.9.9", Door::Local, true),
            (&none, "::1", Door::Local, true),
            (&none, "::ffff:127.0.0.1", Door::Local, true),
            (&none, "192.0.2.1", Door::Local, false),
            (&none, "127.0.0.1", Door::Open, false),
            (&some, "127.0.0.1", Door::Local, true),
            (&some, "127.0.0.1", Door::Open, false),
            (&some, "::1", Door::Open, false),
            (&some, "192.0.2.255", Door::Open, true),
            (&some, "192.0.2.255", Door::Local, true),
            (&some, "::ffff:192.0.2.7", Door::Open, true),
            (&some, "192.0.3.0", Door::Open, false),
            (&some, "::ffff:192.0.3.0", Door::Open, false),
            (&some, "::192.0.2.7", Door::Open, false),
            (&some, "2001:db8:1::1", Door::Open, true),
            (&some, "2001:db9::1", Door::Open, false),
        ] {
            let admitted = admission.allows(ip(client), door);
            assert_eq!(admitted.is_ok(), served, "{client} {door:?}: {admitted:?}");
        }
        assert!(
            none.allows(None, Door::Open).is_ok(),
            "a UNIX socket has a mode"
        );
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let admission = admission(&[], 2, 0);
        let first = admission.enter(ip("192.0.2.1")).unwrap();
        let second = admission.enter(None).unwrap();
        assert_eq!(admission.enter(None), Err(Refusal::Full(2)));
        admission.leave(&first);
        let third = admission.enter(None).unwrap();
        assert_eq!(admission.enter(None), Err(Refusal::Full(2)));
        admission.leave(&second);
        admission.leave(&third);
        assert_eq!(admission.open.load(Relaxed), 0);
    }

    #[test]
    fn an_address_has_places_of_its_own_in_either_guise() {
        let admission = admission(&[], 100, 2);
        let mut entries: Vec<Entry> = ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"]
            .map(|address| admission.enter(ip(address)).unwrap())
            .into();
        let refusal = admission.enter(ip("192.0.2.1")).unwrap_err();
        assert!(matches!(refusal, Refusal::FullForAddress(..)), "{refusal}");
        // UNIX clients have no address.
        entries.extend((0..5).map(|_| admission.enter(None).unwrap()));
        assert_eq!(
            admission.open.load(Relaxed),
            8,
            "who was refused took no place"
        );
        for entry in entries {
            admission.leave(&entry);
        }
        assert!(admission.enter(ip("192.0.2.1")).is_ok());
        assert_eq!(admission.open.load(Relaxed), 1);
        assert_eq!(admission.by_address().len(), 1);
    }
}
