//! Lines about clients that get no place, or lose it.

use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    time::Duration,
};

use ipnet::Ipv6Net;
use policy_daemon::{log::Level, worker::MaxClients};
use policy_flow::{Peer, Waiting};
use thiserror::Error;

use crate::journal::{ALL, Journal};

/// A reason to close a connection as soon as it has been accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Refusal {
    #[error("closing a connection from {0}: {1}, and none is idle that could leave for it")]
    Full(Name, MaxClients),
    #[error("closing a connection from {0}: {holder} has {1} (--max-clients-per-address)", holder = holder(*.0))]
    FullForAddress(IpAddr, NonZeroUsize),
    #[error("closing a connection from user {0}: it has {1} (--max-clients-per-user)")]
    FullForUser(u32, NonZeroUsize),
}

impl Refusal {
    /// The state machine has no place for this client.
    pub(crate) const fn new(peer: Peer, refusal: policy_flow::Refusal, all: MaxClients) -> Self {
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

/// A peer, as the log names it.
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
        let (number, cause) = (self.all.number(), self.all.cause());
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

impl Journal {
    /// The system gives no connection.
    pub(crate) fn cannot_accept(&self, error: &io::Error) {
        let text = format!("cannot accept: {error}");
        self.repeatable(Level::Warning, "cannot accept", ALL, text);
    }

    /// A client has got no place.
    pub(crate) fn turned_away(&self, refusal: &Refusal) {
        let kind = match refusal {
            Refusal::Full(..) => "full",
            Refusal::FullForAddress(..) => "full for address",
            Refusal::FullForUser(..) => "full for user",
        };
        self.repeatable(Level::Warning, kind, ALL, refusal.to_string());
    }

    /// A client has lost its place.
    pub(crate) fn evicted(&self, evicted: &Evicted) {
        self.repeatable(Level::Warning, "evicted", ALL, evicted.to_string());
    }
}

/// The holder of as many connections as it may have, where a client at this address wants another one.
fn holder(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => "it".to_owned(),
        IpAddr::V6(address) => network(address).to_string(),
    }
}

/// A site has at least this network, and one machine can have all of its addresses.
fn network(address: Ipv6Addr) -> Ipv6Net {
    // The prefix is not too long.
    Ipv6Net::new(address, 64).unwrap_or_default().trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_holder_of_too_many_connections_and_the_option() {
        let most = NonZeroUsize::new(3).unwrap();
        let client = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
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
            let refusal = Refusal::new(client, refusal, 9.into()).to_string();
            assert_eq!(refusal, format!("closing a connection {told}"));
        }
    }
}
