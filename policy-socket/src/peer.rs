//! The other end of a connection.

use std::{fmt, io, net::IpAddr, os::fd::AsFd};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use socket2::SockRef;

/// The other end of a connection, as the log and limits know it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Peer {
    /// Over TCP. An IPv4 address is never in the form that IPv6 has for it.
    Address(IpAddr),
    /// Over a UNIX socket: the user that the process had when it connected.
    User(u32),
}

impl Peer {
    /// The peer of a connected socket; `None` once it has gone.
    ///
    /// ```
    /// use policy_socket::Peer;
    ///
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// assert!(matches!(Peer::of(&near), Some(Peer::User(_))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn of(connection: &impl AsFd) -> Option<Self> {
        let address = SockRef::from(connection).peer_addr().ok()?;
        match address.as_socket() {
            Some(address) => Some(address.ip().into()),
            None => Self::of_unix(connection).ok(),
        }
    }

    /// The peer of a connected UNIX socket.
    ///
    /// # Errors
    ///
    /// Errors of the system, as of a socket that is not connected.
    pub fn of_unix(connection: &impl AsFd) -> io::Result<Self> {
        // Not rustix's, which fails where the process has no number here, such as one in another container.
        Ok(Self::User(getsockopt(connection, PeerCredentials)?.uid()))
    }
}

impl From<IpAddr> for Peer {
    /// A socket that serves IPv6 and IPv4 reports IPv4 addresses in IPv6's form.
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_peer_is_named_by_its_address_or_its_user() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Peer::from(mapped).to_string(), "192.0.2.1");
        assert_eq!(Peer::User(105).to_string(), "user 105");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(Peer::of(&near).unwrap().to_string(), "127.0.0.1");
        assert_eq!(Peer::of(&listener), None);
    }
}
