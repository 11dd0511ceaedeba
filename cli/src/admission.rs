use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
    /// Another process, or another worker, has let it in.
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

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    /// If it is counted for its address.
    address: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(
        allow: Vec<IpNet>,
        most: usize,
        most_per_address: Option<NonZeroUsize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            allow,
            most,
            most_per_address,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
        })
    }

    /// A place for a client at this address, `None` over a UNIX socket. A listener on loopback serves
    /// loopback, whatever else is allowed.
    pub(crate) fn admit(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        door: Door,
    ) -> Result<Place, Refusal> {
        // A socket that serves IPv6 and IPv4 sees the latter in the guise of the former.
        let client = client.map(|address| address.to_canonical());
        if let Some(address) = client
            && door != Door::Passed
            && !(door == Door::Local && address.is_loopback())
            && !self.allow.iter().any(|net| net.contains(&address))
        {
            return Err(Refusal::NotAllowed(address));
        }
        let below = |open: usize| (open < self.most).then_some(open + 1);
        if self.open.fetch_update(Relaxed, Relaxed, below).is_err() {
            return Err(Refusal::Full(self.most));
        }
        let mut place = Place {
            admission: Arc::clone(self),
            address: None,
        };
        if let (Some(address), Some(most)) = (client, self.most_per_address) {
            let mut by_address = self.by_address();
            let count = by_address.entry(address).or_default();
            if *count >= most.get() {
                return Err(Refusal::FullForAddress(address, most));
            }
            *count += 1;
            drop(by_address);
            place.address = Some(address);
        }
        Ok(place)
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing that holds the lock can panic half-way.
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Relaxed);
        if let Some(address) = self.address {
            let mut by_address = self.admission.by_address();
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    // The table is never larger than the number of connections.
                    by_address.remove(&address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(allow: &[&str], most: usize, per_address: usize) -> Arc<Admission> {
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
            let admitted = admission.admit(ip(client), door);
            assert_eq!(admitted.is_ok(), served, "{client} {door:?}: {admitted:?}");
        }
        assert!(
            none.admit(None, Door::Open).is_ok(),
            "a UNIX socket has a mode"
        );
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let admission = admission(&["0.0.0.0/0"], 2, 0);
        let first = admission.admit(ip("192.0.2.1"), Door::Open).unwrap();
        let second = admission.admit(None, Door::Open).unwrap();
        assert_eq!(
            admission.admit(None, Door::Open).unwrap_err(),
            Refusal::Full(2)
        );
        drop(first);
        let third = admission.admit(None, Door::Open).unwrap();
        assert_eq!(
            admission.admit(None, Door::Open).unwrap_err(),
            Refusal::Full(2)
        );
        drop((second, third));
        assert_eq!(admission.open.load(Relaxed), 0);
    }

    #[test]
    fn an_address_has_places_of_its_own_in_either_guise() {
        let admission = admission(&["0.0.0.0/0"], 100, 2);
        let places = [
            admission.admit(ip("192.0.2.1"), Door::Open).unwrap(),
            admission.admit(ip("::ffff:192.0.2.1"), Door::Open).unwrap(),
        ];
        let refusal = admission.admit(ip("192.0.2.1"), Door::Open).unwrap_err();
        assert!(matches!(refusal, Refusal::FullForAddress(..)), "{refusal}");
        assert!(admission.admit(ip("192.0.2.2"), Door::Open).is_ok());
        let local: Vec<_> = (0..5).map(|_| admission.admit(None, Door::Open)).collect();
        assert!(
            local.iter().all(Result::is_ok),
            "UNIX clients have no address"
        );
        drop((places, local));
        assert!(admission.admit(ip("192.0.2.1"), Door::Open).is_ok());
        assert_eq!(
            admission.open.load(Relaxed),
            0,
            "who was refused took no place"
        );
        assert!(admission.by_address().is_empty());
    }
}
