//! The listening socket of one worker, as its event loop sees it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use policy_socket::{Endpoint, refuse_rights};
use rustix::{
    io::{Errno, ioctl_fionbio},
    net::{
        SocketFlags, accept_with,
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
    is_unix: bool,
    /// Another process may change the socket's settings.
    was_inherited: bool,
}

impl Listener {
    pub(crate) fn new(socket: &ListenSocket) -> io::Result<Self> {
        let listener = socket.listener()?;
        let is_unix = matches!(socket.requested(), Endpoint::Unix(_));
        if is_unix {
            refuse_rights(&listener);
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
            is_unix,
            was_inherited: socket.was_inherited(),
        })
    }

    /// The next connection, which does not block. Over TCP it sends each reply at once.
    ///
    /// # Errors
    ///
    /// Errors of accept(2), among them `WouldBlock` when no connection waits, and once the daemon accepts no more.
    pub fn accept(&self) -> io::Result<OwnedFd> {
        if self.was_inherited {
            // The previous process could make this one wait here, and again when a connection is closed.
            ioctl_fionbio(&self.socket, true)?;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let connection = match accept_with(&self.socket, flags) {
            // The daemon has shut it down (`refuse`) after it was said to be ready. The worker will be told.
            Err(Errno::INVAL) => return Err(io::ErrorKind::WouldBlock.into()),
            accepted => accepted?,
        };
        if self.was_inherited {
            _ = set_socket_linger(&connection, None);
        }
        if !self.is_unix {
            // A reply is one write: there is nothing to gather. This fails where the client has gone already, as the
            // first read will show.
            _ = set_tcp_nodelay(&connection, true);
        }
        Ok(connection)
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
