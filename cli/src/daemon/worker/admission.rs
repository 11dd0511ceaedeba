//! Who is let in: the addresses that are allowed, and for whom a client counts.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    os::fd::AsFd,
    time::Duration,
};

use ipnet::{IpNet, Ipv6Net};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use policy_flow::{Peer, Waiting};
use socket2::SockRef;
use thiserror::Error;

use crate::daemon::worker::max_clients::MaxClients;

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
    /// It was let in by another daemon, which may have allowed others.
    Passed,
}

/// Why a connection is closed as soon as it has been accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Refusal {
    #[error("closing a connection from {0}: not in --allow")]
    NotAllowed(IpAddr),
    #[error("closing a connection from {0}: {1}, and none is idle that could leave for it")]
    Full(Name, MaxClients),
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
    pub(crate) fn allows(&self, client: Peer, door: Door) -> Result<(), Refusal> {
        let Peer::Address(address) = client else {
            return Ok(());
        };
        let is_allowed = match door {
            Door::Local | Door::Passed if address.is_loopback() => true,
            _ => self.allow.iter().any(|net| net.contains(&address)),
        };
        match is_allowed {
            true => Ok(()),
            false => Err(Refusal::NotAllowed(address)),
        }
    }
}

/// Who is at the other end of a connection; nothing if it has gone already.
pub(crate) fn peer_of(connection: impl AsFd) -> Option<Peer> {
    let address = SockRef::from(&connection).peer_addr().ok()?;
    match address.as_socket() {
        Some(address) => Some(address.ip().into()),
        // Not rustix's, which fails where the process has no number here, as one in another container.
        None => Some(Peer::User(
            getsockopt(&connection, PeerCredentials).ok()?.uid(),
        )),
    }
}

/// A peer as the log names it.
pub(crate) fn name_of(peer: Peer) -> String {
    Name(peer).to_string()
}

/// A peer as the log names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Name(pub(crate) Peer);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Peer::Address(address) => address.fmt(f),
            Peer::User(user) => write!(f, "user {user}"),
        }
    }
}

/// A client that has lost its place to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evicted {
    pub(crate) all: MaxClients,
    pub(crate) peer: Peer,
    pub(crate) waiting: Waiting,
    pub(crate) time: Duration,
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, cause) = (self.all.number, self.all.cause());
        let why = match self.waiting {
            Waiting::Idle => "idle",
            Waiting::Rest => "whose request has been incomplete",
        };
        let (client, time) = (Name(self.peer), self.time.as_secs());
        write!(
            f,
            "all {number} places are taken ({cause}): closing the connection of {client}, {why} for {time}s"
        )
    }
}

impl Refusal {
    /// There is no place for this client.
    pub(crate) const fn no_place(
        peer: Peer,
        refusal: policy_flow::Refusal,
        all: MaxClients,
    ) -> Self {
        match (refusal, peer) {
            (policy_flow::Refusal::FullForAddress(most), Peer::Address(address)) => {
                Self::FullForAddress(address, most)
            }
            (policy_flow::Refusal::FullForUser(most), Peer::User(user)) => {
                Self::FullForUser(user, most)
            }
            _ => Self::Full(Name(peer), all),
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

    fn client(text: &str) -> Peer {
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
            none.allows(Peer::User(105), Door::Open).is_ok(),
            "a UNIX socket has a mode"
        );
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
                Peer::User(105),
                "from user 105: it has 3 (--max-clients-per-user)",
            ),
        ] {
            let refusal = match client {
                Peer::Address(_) => policy_flow::Refusal::FullForAddress(most),
                Peer::User(_) => policy_flow::Refusal::FullForUser(most),
            };
            let refusal = Refusal::no_place(client, refusal, 9.into()).to_string();
            assert_eq!(refusal, format!("closing a connection {told}"));
        }
    }
}
