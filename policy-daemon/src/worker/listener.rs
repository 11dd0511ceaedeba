//! The listening socket of one worker, as its event loop sees it.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use policy_socket::{Endpoint, Peer, refuse_rights};
use rustix::{
    io::ioctl_fionbio,
    net::{
        SocketFlags, acceptfrom_with,
        sockopt::{set_socket_linger, set_tcp_nodelay},
    },
};
use socket2::Socket;

use super::admission::Origin;
use crate::listen::socket::ListenSocket;

/// A listening socket, of which each worker has a descriptor. It does not block.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    requested: Endpoint,
    origin: Origin,
    /// Another process may change the socket's settings.
    was_inherited: bool,
}

impl Listener {
    pub(crate) fn new(socket: &ListenSocket) -> io::Result<Self> {
        let listener = socket.listener()?;
        if matches!(socket.requested(), Endpoint::Unix(_)) {
            refuse_rights(&listener);
        } else {
            // A reply is one write: there is nothing to gather. What is accepted has the settings of its listener.
            set_tcp_nodelay(&listener, true)?;
        }
        let origin = if socket.is_local()? {
            Origin::Local
        } else {
            Origin::Exposed
        };
        Ok(Self {
            socket: listener,
            requested: socket.requested().clone(),
            origin,
            was_inherited: socket.was_inherited(),
        })
    }

    /// The next connection, which does not block, and its client. Over TCP it sends each reply at once.
    ///
    /// # Errors
    ///
    /// Errors of accept(2), among them `WouldBlock` when no connection waits.
    pub fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        if self.was_inherited {
            // The previous process could make this one wait here, and again when a connection is closed.
            ioctl_fionbio(&self.socket, true)?;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (connection, address) = acceptfrom_with(&self.socket, flags)?;
        if self.was_inherited {
            _ = set_socket_linger(&connection, None);
        }
        let address = address.and_then(|address| SocketAddr::try_from(address).ok());
        let peer = match address {
            Some(address) => address.ip().into(),
            None => Peer::of_unix(&connection)?,
        };
        Ok((connection, peer))
    }

    /// Where it was to listen: what it was asked for, with its host and its port as they were given.
    #[must_use]
    pub const fn requested(&self) -> &Endpoint {
        &self.requested
    }

    /// The way in which its connections come.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, os::unix::net::UnixStream};

    use rustix::{net::sockopt::tcp_nodelay, process::geteuid};
    use socket2::{Domain, Type};

    use super::*;
    use crate::listen::socket::endpoint_of;

    /// One that listens, at a socket that is bound already.
    fn listener(socket: Socket) -> Listener {
        socket.listen(1).unwrap();
        let endpoint = endpoint_of(&socket).unwrap();
        Listener::new(&ListenSocket::bound(&endpoint.into(), socket, None)).unwrap()
    }

    #[test]
    fn a_connection_over_tcp_comes_with_its_client_and_sends_at_once() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let listener = listener(socket);
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        let _client = TcpStream::connect(address).unwrap();
        let (connection, peer) = listener.accept().unwrap();
        assert_eq!(peer, Peer::Address([127, 0, 0, 1].into()));
        assert_eq!(tcp_nodelay(&connection), Ok(true));
    }

    #[test]
    fn a_connection_over_a_unix_socket_comes_with_its_user() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket
            .bind(&socket2::SockAddr::unix(&path).unwrap())
            .unwrap();
        let listener = listener(socket);
        let _client = UnixStream::connect(&path).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, Peer::User(geteuid().as_raw()));
    }
}
