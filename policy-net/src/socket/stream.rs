//! A TCP or a UNIX stream socket as one type.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

use rustix::net::{
    AddressFamily,
    sockopt::{socket_acceptconn, socket_domain},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::UnixStream;

/// A TCP or a UNIX stream socket, as [`Connector`](crate::Connector) opens and
/// [`Listener`](crate::Listener) accepts them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A UNIX stream socket.
    Unix(UnixStream),
}

impl Stream {
    /// Its descriptor, which no runtime looks after any more.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    ///
    /// ```
    /// use policy_net::Stream;
    /// use std::os::fd::OwnedFd;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// let (near, far) = std::os::unix::net::UnixStream::pair()?;
    /// let descriptor = Stream::try_from(OwnedFd::from(near))?.into_descriptor()?;
    /// // Elsewhere, perhaps in another process:
    /// let mut near = Stream::try_from(descriptor)?;
    /// let mut far = Stream::try_from(OwnedFd::from(far))?;
    /// near.write_all(b"x").await?;
    /// assert_eq!(far.read_u8().await?, b'x');
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_descriptor(self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(OwnedFd::from),
            Self::Unix(stream) => stream.into_std().map(OwnedFd::from),
        }
    }
}

/// A stream socket that does not listen, for the runtime that this is called in; an error for anything
/// else.
impl TryFrom<OwnedFd> for Stream {
    type Error = io::Error;

    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        if socket_acceptconn(&descriptor)? {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        match socket_domain(&descriptor)? {
            AddressFamily::UNIX => UnixStream::from_std(descriptor.into()).map(Self::Unix),
            _ => TcpStream::from_std(descriptor.into()).map(Self::Tcp),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
