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

use super::disposal::{Connected, Unwanted, dispose};

/// A connected UNIX stream socket, as tokio's is one, but that does not wake this process for nothing.
///
/// Whoever has asked Linux for room to write in such a socket is told of it each time that the other
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
    /// What tells of room to write, where there was none. Another descriptor, since whoever waits to
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
    /// What the system says.
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

    /// What it was made of, which no runtime looks after any more, and which still does not block.
    ///
    /// # Errors
    ///
    /// What the system says.
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

/// What owns its descriptor, alone or with others.
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
        let mut place = [0; AT_ONCE];
        let asked = buf.remaining().min(AT_ONCE);
        let this = &mut *self;
        loop {
            let mut ready = ready!(this.socket.poll_read_ready(cx))?;
            match receive(&this.socket, &mut place[..asked]) {
                Ok(came) => {
                    // The end is there to stay. Of anything else that is less than asked for, it was all.
                    if came > 0 && came < asked {
                        ready.clear_ready();
                    }
                    this.connected.is_read = came == 0 && asked > 0;
                    buf.put_slice(&place[..came]);
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
fn receive(socket: impl AsFd, place: &mut [u8]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(place)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| recvmsg(&socket, slices, &mut ancillary, flags))?;
    let mut sent = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sent.extend(descriptors.map(Unwanted::Sent));
        }
    }
    if sent.is_empty() {
        return Ok(received.bytes);
    }
    tracing::warn!("closing a connection: its peer has sent descriptors");
    dispose(sent);
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
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        let (near, far) = net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let near = UnixStream::from_std(near).unwrap();
        (near, UnixStream::from_std(far).unwrap())
    }

    #[tokio::test]
    async fn what_does_not_fit_is_written_when_the_other_side_has_read() {
        let (mut near, mut far) = pair();
        // More than the system keeps for one socket, also where that has been raised.
        let sent: Vec<u8> = (0..20_000_000_u32).map(|number| number as u8).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            near.write_all(&copy).await.unwrap();
            assert!(
                near.room.is_none(),
                "asked for no longer than there was none"
            );
            near.read_u8().await.unwrap()
        });
        let mut came = vec![0; sent.len()];
        far.read_exact(&mut came).await.unwrap();
        assert!(came == sent);
        far.write_all(b"x").await.unwrap();
        assert_eq!(writer.await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn who_waits_to_read_waits_on_while_another_waits_for_room() {
        let (near, far) = pair();
        // It reads on only when what it has read is taken back.
        let echo = tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(far);
            tokio::io::copy(&mut from, &mut to).await.unwrap();
        });
        let (mut from, mut to) = tokio::io::split(near);
        let sent = vec![b'x'; 5_000_000];
        let reader = tokio::spawn({
            let mut came = vec![0; sent.len()];
            async move { from.read_exact(&mut came).await.unwrap() }
        });
        // It is waiting when the first write is made.
        tokio::task::yield_now().await;
        to.write_all(&sent).await.unwrap();
        assert_eq!(reader.await.unwrap(), sent.len());
        to.shutdown().await.unwrap();
        echo.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_without_room_can_be_given_to_another() {
        let (mut near, mut far) = pair();
        let full = async {
            loop {
                near.write_all(&[b'x'; 4096]).await.unwrap();
            }
        };
        assert!(timeout(Duration::from_millis(50), full).await.is_err());
        assert!(near.room.is_some());
        drop(UnixStream::from_std(near.into_std().unwrap()).unwrap());
        let mut came = Vec::new();
        far.read_to_end(&mut came).await.unwrap();
        assert!(came.iter().all(|byte| *byte == b'x'), "and closed at once");
    }

    #[tokio::test]
    async fn a_writer_that_always_has_room_lets_others_have_their_turn() {
        let (mut near, _far) = pair();
        let other = tokio::spawn(async {});
        for _ in 0..1000 {
            assert_eq!(near.write(b"").await.unwrap(), 0);
        }
        assert!(other.is_finished());
    }

    #[tokio::test]
    async fn the_end_is_read_as_often_as_is_asked_and_a_write_then_is_an_error() {
        let (mut near, mut far) = pair();
        far.write_all(b"last").await.unwrap();
        far.shutdown().await.unwrap();
        let mut came = Vec::new();
        near.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"last");
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
        near.write_all(b"still open").await.unwrap();
        drop(far);
        let error = near.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_read_waits_for_what_is_not_there_yet() {
        let (mut near, mut far) = pair();
        let reader = tokio::spawn(async move {
            let mut bytes = [0; 6];
            // In parts, whether these fill what was asked for or not.
            for part in bytes.chunks_mut(2) {
                near.read_exact(part).await.unwrap();
            }
            bytes
        });
        for part in [&b"a"[..], b"bcd", b"ef"] {
            tokio::task::yield_now().await;
            far.write_all(part).await.unwrap();
        }
        assert_eq!(&reader.await.unwrap(), b"abcdef");
    }

    /// The far end of a UNIX socket over which one byte has been sent with descriptors, of which the last one is
    /// a connection that lingers: who closes it waits until its peer has read, or for 30 s.
    fn with_descriptors(number: usize) -> (UnixStream, net::UnixStream, std::net::TcpStream) {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, sendmsg, sockopt};
        use std::{io::IoSlice, net::TcpListener};

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lingering = net_tcp(&listener);
        let (reader, _) = listener.accept().unwrap();
        lingering.set_nonblocking(true).unwrap();
        while io::Write::write(&mut &lingering, &[0; 65_536]).is_ok() {}
        let linger = Some(Duration::from_secs(30));
        sockopt::set_socket_linger(&lingering, linger).unwrap();
        let (near, far) = net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let all = vec![lingering.as_fd(); number];
        let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&all)));
        let text = [IoSlice::new(b"x")];
        sendmsg(&far, &text, &mut ancillary, SendFlags::empty()).unwrap();
        (UnixStream::from_std(near).unwrap(), far, reader)
    }

    fn net_tcp(listener: &std::net::TcpListener) -> std::net::TcpStream {
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    /// Without it each of these waits for 30 s.
    #[tokio::test]
    async fn descriptors_that_a_peer_sends_are_an_error_and_hold_nobody_up() {
        for number in [1, MAX_DESCRIPTORS] {
            let begin = tokio::time::Instant::now();
            let (mut near, _far, _reader) = with_descriptors(number);
            let error = near.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            drop(near);
            // Nor where nobody has read them.
            let (near, mut far, _reader) = with_descriptors(number);
            drop(near);
            assert!(io::Write::write(&mut far, b"x").is_err(), "it is closed");
            assert!(begin.elapsed() < Duration::from_secs(20), "of 30 s each");
        }
    }
}
