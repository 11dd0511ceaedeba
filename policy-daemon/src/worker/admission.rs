//! The clients that are let in, by address.

use std::net::IpAddr;

use ipnet::IpNet;
use policy_socket::Peer;

/// The clients that may connect, for all workers and listeners.
#[derive(Debug)]
pub(super) struct Admission {
    allow: Vec<IpNet>,
}

/// The way in which a client comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Over a listener that only this machine can reach. The mode of a UNIX socket decides on its clients.
    Local,
    /// Over a listener that other machines can reach.
    Exposed,
    /// From another daemon, which has let it in, and may allow other networks.
    Handoff,
}

/// The address of a client that is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotAllowed(pub(super) IpAddr);

impl Admission {
    pub(super) fn new(allow: Vec<IpNet>) -> Self {
        Self { allow }
    }

    /// Whether this client is served. The mode of a UNIX socket decides on its clients. A listener on loopback serves
    /// loopback, whatever else is allowed.
    pub(super) fn check(&self, client: Peer, origin: Origin) -> Result<(), NotAllowed> {
        let Peer::Address(address) = client else {
            return Ok(());
        };
        let is_allowed = match origin {
            Origin::Local | Origin::Handoff if address.is_loopback() => true,
            _ => self.allow.iter().any(|net| net.contains(&address)),
        };
        is_allowed.then_some(()).ok_or(NotAllowed(address))
    }
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
    fn the_listener_and_the_allowed_networks_decide_on_a_client() {
        let none = admission(&[]);
        let some = admission(&["192.0.2.0/24", "2001:db8::/32"]);
        for (admission, address, origin, served) in [
            (&none, "127.0.0.1", Origin::Local, true),
            (&none, "127.9.9.9", Origin::Local, true),
            (&none, "::1", Origin::Local, true),
            (&none, "::ffff:127.0.0.1", Origin::Local, true),
            (&none, "127.0.0.1", Origin::Handoff, true),
            (&none, "192.0.2.1", Origin::Local, false),
            (&none, "127.0.0.1", Origin::Exposed, false),
            (&none, "192.0.2.1", Origin::Handoff, false),
            (&some, "127.0.0.1", Origin::Local, true),
            (&some, "127.0.0.1", Origin::Exposed, false),
            (&some, "::1", Origin::Exposed, false),
            (&some, "192.0.2.255", Origin::Exposed, true),
            (&some, "192.0.2.255", Origin::Local, true),
            (&some, "192.0.2.255", Origin::Handoff, true),
            (&some, "::ffff:192.0.2.7", Origin::Exposed, true),
            (&some, "192.0.3.0", Origin::Exposed, false),
            (&some, "::ffff:192.0.3.0", Origin::Exposed, false),
            (&some, "::192.0.2.7", Origin::Exposed, false),
            (&some, "2001:db8:1::1", Origin::Exposed, true),
            (&some, "2001:db9::1", Origin::Exposed, false),
        ] {
            let checked = admission.check(client(address), origin);
            assert_eq!(checked.is_ok(), served, "{address} {origin:?}: {checked:?}");
        }
        let by_mode = none.check(Peer::User(105), Origin::Exposed);
        assert!(by_mode.is_ok(), "a UNIX socket has a mode");
    }
}
