//! The peer at the other end of a connection.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use crate::{Endpoint, Stream};

/// The peer at the other end of a connection, and the connection's number: a [`Handler`](crate::Handler) is told it beside the
/// request. As a rule that is Postfix; the mail client stands in the request.
///
/// It is written as logs have it.
///
/// ```
/// use policy_net::{Credentials, Peer};
///
/// let peer = Peer::inet(([192, 0, 2, 1], 50123).into()).with_connection(7);
/// assert_eq!(peer.to_string(), "192.0.2.1:50123");
/// assert_eq!(peer.connection(), 7);
///
/// let peer = Peer::unix(Credentials::new(105, 113, Some(4242)));
/// assert_eq!(peer.to_string(), "uid 105, pid 4242");
/// assert_eq!(peer.credentials().map(|credentials| credentials.gid), Some(113));
///
/// assert_eq!(Peer::default().to_string(), "unknown");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Peer {
    origin: Origin,
    listener: Option<Arc<Endpoint>>,
    connection: u64,
}

/// The user and process that a UNIX socket's peer was when it connected, as the system has noted it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Credentials {
    /// Its user ID.
    pub uid: u32,
    /// Its group ID.
    pub gid: u32,
    /// Its process ID; `None` where it has none here, as in another container.
    pub pid: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Origin {
    Inet(SocketAddr),
    Unix(Credentials),
    #[default]
    Unknown,
}

impl Peer {
    /// A peer with this address.
    #[must_use]
    pub fn inet(address: SocketAddr) -> Self {
        Self::from_origin(Origin::Inet(address))
    }

    /// A peer over a UNIX socket.
    #[must_use]
    pub fn unix(credentials: Credentials) -> Self {
        Self::from_origin(Origin::Unix(credentials))
    }

    /// The peer of this connection, as the system knows it: its address, or on Linux its credentials.
    ///
    /// # Errors
    ///
    /// Errors of the system: over TCP, that the peer has gone already.
    pub fn of(stream: &Stream) -> io::Result<Self> {
        Ok(match stream {
            Stream::Tcp(stream) => Self::inet(stream.peer_addr()?),
            Stream::Unix(stream) => stream
                .peer_credentials()?
                .map_or_else(Self::default, Self::unix),
        })
    }

    fn from_origin(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// This peer, accepted by the listener at this endpoint.
    #[must_use]
    pub fn with_listener(mut self, endpoint: impl Into<Arc<Endpoint>>) -> Self {
        self.listener = Some(endpoint.into());
        self
    }

    /// This peer with this number of its connection.
    #[must_use]
    pub const fn with_connection(mut self, number: u64) -> Self {
        self.connection = number;
        self
    }

    /// Its address, over TCP.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Inet(address) => Some(address),
            _ => None,
        }
    }

    /// Its credentials, over a UNIX socket of Linux.
    #[must_use]
    pub const fn credentials(&self) -> Option<Credentials> {
        match self.origin {
            Origin::Unix(credentials) => Some(credentials),
            _ => None,
        }
    }

    /// Where it was accepted; `None` where that has no endpoint, as for a
    /// [queue](crate::Listener::queue) of connections.
    #[must_use]
    pub fn listener(&self) -> Option<&Endpoint> {
        self.listener.as_deref()
    }

    /// The connection's number: each connection that a server of this process accepts has another one, from 1. 0 unless
    /// it was set.
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.connection
    }
}

impl Credentials {
    /// These IDs.
    #[must_use]
    pub const fn new(uid: u32, gid: u32, pid: Option<u32>) -> Self {
        Self { uid, gid, pid }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Inet(address) => write!(f, "{address}"),
            Origin::Unix(Credentials {
                uid,
                pid: Some(pid),
                ..
            }) => write!(f, "uid {uid}, pid {pid}"),
            Origin::Unix(Credentials { uid, .. }) => write!(f, "uid {uid}"),
            Origin::Unknown => f.write_str("unknown"),
        }
    }
}
