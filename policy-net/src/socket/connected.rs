//! A UNIX socket that no worker closes as long as something lies in it.

use std::{os::fd::OwnedFd, sync::Arc};

use policy_socket::close_shared;

/// A connection that is not to be closed by a worker as long as something lies in it.
#[derive(Debug)]
pub(crate) struct Connected {
    /// Nothing once it has been taken.
    socket: Option<Arc<OwnedFd>>,
    /// The peer has ended its side, and all has been read: nothing can come any more.
    pub(crate) is_read: bool,
}

impl Connected {
    pub(crate) fn new(socket: Arc<OwnedFd>) -> Self {
        Self {
            socket: Some(socket),
            is_read: false,
        }
    }

    /// The socket, which somebody else closes.
    pub(crate) fn take(mut self) -> Option<OwnedFd> {
        let socket = self.socket.take()?;
        match Arc::try_unwrap(socket) {
            Ok(socket) => Some(socket),
            Err(shared) => shared.try_clone().ok(),
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take().filter(|_| !self.is_read) {
            close_shared(socket);
        }
    }
}
