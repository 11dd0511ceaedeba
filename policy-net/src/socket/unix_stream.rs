//! A connected UNIX stream socket.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net,
    },
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

#[cfg(target_os = "linux")]
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use policy_socket::close_apart;
use rustix::{
    cmsg_space,
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, recvmsg, send,
        shutdown,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    task::coop::poll_proceed,
};

use super::connected::Connected;
use crate::Credentials;

/// A connected UNIX stream socket, as tokio's is one, but that does not wake this process for nothing.
///
/// A process that has asked Linux for room to write in such a socket is told of it each time that the other
/// side has read something, also where there was room all the time (`unix_write_space` in
/// `net/unix/af_unix.c`): a process that waits for an answer is woken once by its own request being
/// read. Here room is asked for only where there is none, over a second descriptor for as long as that lasts;
/// if there is none to be had, a write is an error.
///
/// Descriptors that the peer sends (SCM_RIGHTS) are not taken: a read is an error then. They are closed by a thread
/// of its own, and so is a connection in which something lies unread, since that can take as long as the peer wants.
///
/// It is to be used in the runtime that it is registered with.
///
/// ```
/// use policy_net::UnixStream;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
/// let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// for socket in [&near, &far] {
///     socket.set_nonblocking(true)?;
/// }
/// let (mut near, mut far) = (UnixStream::from_std(near)?, UnixStream::from_std(far)?);
/// near.write_all(b"x").await?;
/// assert_eq!(far.read_u8().await?, b'x');
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UnixStream {
    socket: AsyncFd<Arc<OwnedFd>>,
    /// The source that tells of room to write, where there was none. Another descriptor, since a task that waits to
    /// read is to wait on undisturbed.
    room: Option<Box<AsyncFd<OwnedFd>>>,
    /// The last to be dropped: it closes the socket.
    connected: Connected,
}

impl UnixStream {
    /// Registers it with the runtime that this is called in. It has to be one that
    /// [does not block](net::UnixStream::set_nonblocking).
    ///
    /// # Errors
    ///
    /// Errors of the system.
    ///
    /// # Panics
    ///
    /// Outside of a runtime whose I/O is enabled.
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        let socket = Arc::new(OwnedFd::from(stream));
        Ok(Self {
            socket: registered(Arc::clone(&socket), Interest::READABLE)?,
            room: None,
            connected: Connected::new(socket),
        })
    }

    /// The user and process that the peer was when it connected; `None` where the system does not tell, which is
    /// anywhere but on Linux.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn peer_credentials(&self) -> io::Result<Option<Credentials>> {
        #[cfg(target_os = "linux")]
        {
            let noted = getsockopt(&self.socket, PeerCredentials)?;
            // A process without a number here has 0.
            let pid = u32::try_from(noted.pid()).ok().filter(|pid| *pid > 0);
            Ok(Some(Credentials::new(noted.uid(), noted.gid(), pid)))
        }
        #[cfg(not(target_os = "linux"))]
        Ok(None)
    }

    /// The socket that it was made of, which no runtime looks after any more, and which still does not block.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        let Self {
            socket,
            room,
            connected,
        } = self;
        drop((socket, room));
        let taken = connected.take().map(net::UnixStream::from);
        taken.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

#[allow(
    deprecated,
    reason = "unsound only for a type that does not own its descriptor"
)]
pub(crate) fn registered<T: Owner>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

/// A type that owns its descriptor, alone or with others.
pub(crate) trait Owner: AsRawFd {}

impl Owner for OwnedFd {}
impl Owner for Arc<OwnedFd> {}
impl Owner for net::UnixListener {}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A bare part of `buf` cannot be handed out in safe code: what comes is copied, a request at a time.
        let mut bytes = [0; AT_ONCE];
        let asked = buf.remaining().min(AT_ONCE);
        let this = &mut *self;
        loop {
            let mut ready = ready!(this.socket.poll_read_ready(cx))?;
            match receive(&this.socket, &mut bytes[..asked]) {
                Ok(came) => {
                    // The end is there to stay. Of anything else that is less than asked for, it was all.
                    if came > 0 && came < asked {
                        ready.clear_ready();
                    }
                    this.connected.is_read = came == 0 && asked > 0;
                    buf.put_slice(&bytes[..came]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Reads, and has descriptors closed that were sent: with room for as many as can come at once, or the system would
/// close the others here.
fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| recvmsg(&socket, slices, &mut ancillary, flags))?;
    let mut sent = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sent.extend(descriptors);
        }
    }
    if sent.is_empty() {
        return Ok(received.bytes);
    }
    tracing::warn!("closing a connection: its peer has sent descriptors");
    close_apart(sent);
    Err(io::ErrorKind::InvalidData.into())
}

impl AsyncWrite for UnixStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Others of this thread have their turn, also if there is always room.
        let turn = ready!(poll_proceed(cx));
        let written = loop {
            let Some(room) = &self.room else {
                let written = write(&self.socket, buf);
                if !would_block(&written) {
                    break written;
                }
                let room = OwnedFd::try_clone(self.socket.get_ref())?;
                self.room = Some(Box::new(registered(room, Interest::WRITABLE)?));
                continue;
            };
            let mut ready = ready!(room.poll_write_ready(cx))?;
            if let Ok(written) = ready.try_io(|room| write(room, buf)) {
                break written;
            }
        };
        turn.made_progress();
        self.room = None;
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.socket, Shutdown::Write).map_err(io::Error::from))
    }
}

fn write(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    // Who writes to a peer that has gone is to get an error, not a signal.
    retry_on_intr(|| send(&socket, bytes, SendFlags::NOSIGNAL)).map_err(io::Error::from)
}

fn would_block<T>(done: &io::Result<T>) -> bool {
    let kind = done.as_ref().map_err(io::Error::kind);
    kind.is_err_and(|kind| kind == io::ErrorKind::WouldBlock)
}

/// A request with long addresses.
const AT_ONCE: usize = 4096;
/// `SCM_MAX_FD` of Linux.
const MAX_DESCRIPTORS: usize = 253;

#[cfg(test)]
mod tests;
