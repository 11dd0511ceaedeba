//! Who is let in: the addresses that are allowed, and for whom a client counts.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
};

use ipnet::{IpNet, Ipv6Net};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use policy_net::Stream;
use thiserror::Error;

use crate::max_clients::MaxClients;

/// Who may connect: one for all workers and listeners.
#[derive(Debug)]
pub(crate) struct Admission {
    allow: Vec<IpNet>,
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

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// Over TCP. IPv4 is never in the guise of IPv6.
    Address(IpAddr),
    /// Over a UNIX socket: the user that the process had when it connected.
    User(u32),
}

/// For whom a client counts where connections are limited.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Origin {
    /// This machine over TCP, whatever the address: each of its users has all of 127.0.0.0/8, and the system does
    /// not say who it is.
    Loopback,
    /// An IPv4 address, or the first address of an IPv6 network of 64 bits: whoever has one address of that,
    /// has them all.
    Network(IpAddr),
    User(u32),
}

/// Why a connection is closed as soon as it has been accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Refusal {
    #[error("closing a connection from {0}: not in --allow")]
    NotAllowed(IpAddr),
    #[error("closing a connection from {0}: {1}, and none is idle that could leave for it")]
    Full(Client, MaxClients),
    #[error("closing a connection from {0}: {holder} has {1} (--max-clients-per-address)", holder = holder(*.0))]
    FullForAddress(IpAddr, NonZeroUsize),
    #[error("closing a connection from user {0}: it has {1} (--max-clients-per-user)")]
    FullForUser(u32, NonZeroUsize),
}

impl Admission {
    pub(crate) fn new(allow: Vec<IpNet>) -> Self {
        Self { allow }
    }

    /// Whether this client is served at all. Over a UNIX socket the mode of that says so. A listener on
    /// loopback serves loopback, whatever else is allowed.
    pub(crate) fn allows(&self, client: Client, door: Door) -> Result<(), Refusal> {
        let Client::Address(address) = client else {
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
}

impl Client {
    /// Nothing if it has gone already.
    pub(crate) fn of(io: &Stream) -> Option<Self> {
        match io {
            Stream::Tcp(io) => Some(io.peer_addr().ok()?.ip().into()),
            // Not rustix's, which fails where the process has no number here, as one in another container.
            Stream::Unix(io) => Some(Self::User(getsockopt(io, PeerCredentials).ok()?.uid())),
        }
    }

    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Address(address) if address.is_loopback() => Origin::Loopback,
            Self::Address(IpAddr::V6(address)) => {
                Origin::Network(network(address).network().into())
            }
            Self::Address(address) => Origin::Network(address),
            Self::User(user) => Origin::User(user),
        }
    }
}

impl From<IpAddr> for Client {
    /// A socket that serves IPv6 and IPv4 sees the latter in the guise of the former.
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

impl Refusal {
    /// This client's origin has as many connections as it may have.
    pub(crate) fn full_for(client: Client, most: NonZeroUsize) -> Self {
        match client {
            Client::Address(address) => Self::FullForAddress(address, most),
            Client::User(user) => Self::FullForUser(user, most),
        }
    }
}

/// What has as many connections as it may have, where a client at this address wants another.
fn holder(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => "it".to_owned(),
        IpAddr::V6(address) => network(address).to_string(),
    }
}

/// What a site is given at least, and what a single machine can have all addresses of.
fn network(address: Ipv6Addr) -> Ipv6Net {
    // The prefix is none that could be too long.
    Ipv6Net::new(address, 64).unwrap_or_default().trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(allow: &[&str]) -> Admission {
        Admission::new(allow.iter().map(|net| net.parse().unwrap()).collect())
    }

    fn client(text: &str) -> Client {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn who_is_served_depends_on_the_listener_and_the_allowed_networks() {
        let none = admission(&[]);
        let some = admission(&["192.0.2.0/24", "2001:db8::/32"]);
        for (admission, address, door, served) in [
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
            let admitted = admission.allows(client(address), door);
            assert_eq!(admitted.is_ok(), served, "{address} {door:?}: {admitted:?}");
        }
        assert!(
            none.allows(Client::User(105), Door::Open).is_ok(),
            "a UNIX socket has a mode"
        );
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
        let (user, other) = (Client::User(105), Client::User(0));
        assert_eq!(user.origin(), user.origin());
        assert_ne!(user.origin(), other.origin());
        let zero = client("0.0.0.0");
        assert_ne!(other.origin(), zero.origin());
    }

    #[test]
    fn a_refusal_names_who_has_too_many_and_the_option() {
        let most = NonZeroUsize::new(3).unwrap();
        for (client, told) in [
            (
                client("::ffff:192.0.2.1"),
                "from 192.0.2.1: it has 3 (--max-clients-per-address)",
            ),
            (
                client("2001:db8::7"),
                "from 2001:db8::7: 2001:db8::/64 has 3 (--max-clients-per-address)",
            ),
            (
                Client::User(105),
                "from user 105: it has 3 (--max-clients-per-user)",
            ),
        ] {
            let refusal = Refusal::full_for(client, most).to_string();
            assert_eq!(refusal, format!("closing a connection {told}"));
        }
    }
}
