//! The limits of connections: of all clients, and of each origin that several of them count for.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Over TCP. IPv4 is never in the guise of IPv6.
    Address(IpAddr),
    /// Over a UNIX socket: the user that the process had when it connected.
    User(u32),
}

/// For whom a client counts where connections are limited.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Origin {
    /// This machine over TCP, whatever the address: each of its users has all of 127.0.0.0/8, and the system does not
    /// say who it is.
    Loopback,
    /// An IPv4 address, or the first address of an IPv6 network of 64 bits: a host with one address of that has all
    /// of them.
    Network(IpAddr),
    User(u32),
}

/// Why there is no place for one more connection.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// All places are taken, and no client is idle that could leave.
    #[error("all places are taken")]
    Full,
    /// The client's address, or its IPv6 network of 64 bits, has as many as it may have.
    #[error("its address has {0}")]
    FullForAddress(NonZeroUsize),
    /// The client's user has as many as it may have.
    #[error("its user has {0}")]
    FullForUser(NonZeroUsize),
}

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PlaceLimits {
    /// In all.
    pub all: usize,
    /// From one address, with IPv6 from one network of 64 bits. Loopback has no limit: the first user would keep out
    /// the others of the machine.
    pub per_address: Option<NonZeroUsize>,
    /// From one user over UNIX sockets.
    pub per_user: Option<NonZeroUsize>,
}

/// The places for connections, of all workers together. Clones are the same.
#[derive(Clone, Debug)]
pub struct Places {
    limits: PlaceLimits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Never more entries than there are connections.
    by_origin: HashMap<Origin, usize>,
}

/// What comes of asking for a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// There was one.
    Taken,
    /// Somebody has to leave first: a connection of this origin, or any.
    For(Option<Origin>),
}

impl Places {
    /// None is taken.
    #[must_use]
    pub fn new(limits: PlaceLimits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    pub(crate) fn take(&self, origin: Origin) -> Result<Place, Refusal> {
        let mut taken = self.lock();
        let count = taken.by_origin.get(&origin).copied().unwrap_or_default();
        let limit = match origin {
            Origin::Loopback => None,
            Origin::Network(_) => self.limits.per_address,
            Origin::User(_) => self.limits.per_user,
        };
        if let Some(limit) = limit.filter(|limit| count >= limit.get()) {
            return Err(match origin {
                Origin::User(_) => Refusal::FullForUser(limit),
                _ => Refusal::FullForAddress(limit),
            });
        }
        if taken.all >= self.limits.all {
            // An origin that has more than half of all places takes none from others.
            let of = (count > self.limits.all / 2).then_some(origin);
            return Ok(Place::For(of));
        }
        taken.all += 1;
        *taken.by_origin.entry(origin).or_default() += 1;
        Ok(Place::Taken)
    }

    pub(crate) fn give_back(&self, origin: Origin) {
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                taken.by_origin.remove(&origin);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing that holds the lock can panic half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Address(address) if address.is_loopback() => Origin::Loopback,
            Self::Address(IpAddr::V6(address)) => Origin::Network(network(address).into()),
            Self::Address(address) => Origin::Network(address),
            Self::User(user) => Origin::User(user),
        }
    }
}

impl From<IpAddr> for Peer {
    /// A socket that serves IPv6 and IPv4 sees the latter in the guise of the former.
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

/// What a site is given at least, and what a single machine can have all addresses of.
fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Peer {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_client_counts_for_its_address_its_network_or_its_user() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("2001:db8:0:ffff::", "2001:db8:0:ffff:1::", true),
            ("127.0.0.1", "127.255.3.4", true),
            ("127.0.0.1", "::ffff:127.0.0.2", true),
            ("127.0.0.1", "::1", true),
            ("127.0.0.1", "128.0.0.1", false),
            ("::1", "::2", false),
        ] {
            let is_same = client(one).origin() == client(other).origin();
            assert_eq!(is_same, same, "{one} {other}");
        }
        let (user, other) = (Peer::User(105), Peer::User(0));
        assert_eq!(user.origin(), user.origin());
        assert_ne!(user.origin(), other.origin());
        let zero = client("0.0.0.0");
        assert_ne!(other.origin(), zero.origin());
    }
}
