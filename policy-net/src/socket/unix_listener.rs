//! A listening UNIX stream socket.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net,
    },
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{UnixStream, unix_stream::registered};

/// A listening UNIX stream socket, as tokio's is one, whose connections are [`UnixStream`]s.
#[derive(Debug)]
pub struct UnixListener(AsyncFd<net::UnixListener>);

impl UnixListener {
    /// Registers it with the runtime that this is called in. It has to be one that
    /// [does not block](net::UnixListener::set_nonblocking).
    ///
    /// # Errors
    ///
    /// Errors of the system.
    ///
    /// # Panics
    ///
    /// Outside of a runtime whose I/O is enabled.
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        registered(listener, Interest::READABLE).map(Self)
    }

    /// The next connection. It is cancel safe: nothing is lost when the returned future is dropped before its end.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let accept = |listener: &net::UnixListener| listener.accept();
        let (stream, _) = self.0.async_io(Interest::READABLE, accept).await?;
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn local_addr(&self) -> io::Result<net::SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
