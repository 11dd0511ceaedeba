//! The server's side of one connection.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use policy_flow::ClientId;
use policy_proto::{Request, SkippedLines};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{
    clients::{Clients, End},
    error::ConnectionError,
    registration::{Registration, State},
    wire::{Driver, Wire},
};

/// The server's side of one connection: requests in, replies out, one after the other.
///
/// It has the time-outs and limits of its [`Clients`], and none for who answers.
/// [`serve_connection`](crate::serve_connection) is a loop around it. Use it instead where
/// something is to be remembered between two requests, or said about each:
///
/// ```
/// use policy_net::{Clients, Connection, Drain, Response};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"instance=a\n\ninstance=b\n\n").await?;
/// client.shutdown().await?;
///
/// let mut connection = Connection::new(server, Clients::default());
/// let drain = Drain::default();
/// let mut answered = 0;
/// while let Some(request) = connection.request(drain.begun()).await? {
///     answered += 1;
///     let instance = String::from_utf8_lossy(request.get("instance").unwrap_or_default());
///     let text = format!("WARN {instance} is number {answered}");
///     connection.reply(&Response::new(text)?).await?;
/// }
/// drop(connection);
///
/// let mut replies = String::new();
/// client.read_to_string(&mut replies).await?;
/// assert_eq!(replies, "action=WARN a is number 1\n\naction=WARN b is number 2\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection<Io> {
    pub(super) wire: Wire<Io>,
    pub(super) registration: Registration,
    /// Bytes that came and were no request, once the connection has been refused for them.
    received: Bytes,
    /// Until it is looked whether the client has gone.
    pub(super) pause: Option<Pin<Box<Sleep>>>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// A connection of one of these clients. It is to be called in a runtime.
    pub fn new(io: Io, clients: impl Into<Clients>) -> Self {
        Self {
            wire: Wire::new(io),
            registration: Registration::new(clients.into()),
            received: Bytes::new(),
            pause: None,
        }
    }

    /// The next request; `None` when the client has ended the connection between two requests, has
    /// been idle for too long, or `drain` has ended and none is under way: as a rule this is
    /// [`Drain::begun`](crate::Drain::begun), and it may
    /// be [`pending`](std::future::pending). It is polled only while no byte of a request has come. Each request is
    /// to be replied to before the next one is waited for.
    ///
    /// It is cancel safe: nothing is lost when the returned future is dropped before its end.
    ///
    /// # Errors
    ///
    /// Bytes that are no request, an end within a request, a request that takes too long, or waits too
    /// long for memory.
    pub fn request<D: Future<Output = ()>>(
        &mut self,
        drain: D,
    ) -> impl Future<Output = Result<Option<Request>, ConnectionError>> + use<'_, Io, D> {
        NextRequest {
            connection: self,
            drain,
            is_drained: false,
        }
    }

    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        is_drained: bool,
    ) -> Poll<Result<Option<Request>, ConnectionError>> {
        loop {
            if let Some(request) = self.wire.request.take() {
                return Poll::Ready(Ok(Some(request)));
            }
            if self.wire.is_unsent {
                ready!(self.poll_rest(cx))?;
                continue;
            }
            let room = match self.registration.look(cx) {
                State::Open { room } => room,
                State::Ended(end) => return Poll::Ready(self.ended(end).map(|()| None)),
                State::Over => return Poll::Ready(Ok(None)),
            };
            if room == 0 {
                // It waits for memory. Nothing is read that would tell of its end.
                if self.is_closed(cx) {
                    self.registration.leave();
                    let gone = io::Error::from(io::ErrorKind::BrokenPipe);
                    return Poll::Ready(Err(gone.into()));
                }
                ready!(self.poll_pause(cx));
            } else if self.poll_read(room, cx).is_pending() {
                if is_drained && self.is_idle() {
                    self.registration.leave();
                    return Poll::Ready(Ok(None));
                }
                return Poll::Pending;
            }
        }
    }

    /// The bytes that have come and are no request. After an error of [`request`](Self::request) it tells what the
    /// client sent instead of one: at most its first 512 bytes.
    ///
    /// ```
    /// use policy_net::{Clients, Connection};
    /// use std::future::pending;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let (mut client, server) = tokio::io::duplex(64);
    /// client.write_all(b"GET / HTTP/1.1\r\n").await?;
    /// let mut connection = Connection::new(server, Clients::default());
    /// assert!(connection.request(pending()).await.is_err());
    /// assert!(connection.received().starts_with(b"GET "));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// The stream that it was made of, once [`request`](Self::request) has returned `None`: nothing that came
    /// over it is lost then, so that it can be served by somebody else.
    pub fn into_inner(self) -> Io {
        self.wire.io
    }

    /// Lines of the last request, and of the beginning of the next one, that were no attributes, where
    /// that is [allowed](policy_flow::ClientOptions::lenient): the first ones, and a count of the others. To be taken
    /// before the next request is waited for.
    pub fn take_skipped(&mut self) -> SkippedLines {
        mem::take(&mut self.wire.ignored)
    }

    /// Whether nothing has come of a request.
    fn is_idle(&self) -> bool {
        self.registration.is_idle()
    }

    /// Reads, and tells the state machine.
    pub(super) fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut bytes[..room.min(READ)]);
        let read = ready!(Pin::new(&mut self.wire.io).poll_read(cx, &mut buf));
        match read.map(|()| buf.filled()) {
            Ok([]) => {
                self.wire.ended = true;
                self.call(cx, |flow, client, driver| flow.ended(client, driver));
            }
            Ok(data) => self.call(cx, |flow, client, driver| flow.data(client, data, driver)),
            Err(error) => {
                self.wire.error = Some(error);
                self.call(cx, |flow, client, driver| _ = flow.gone(client, driver));
            }
        }
        Poll::Ready(())
    }

    pub(super) fn call(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) {
        self.registration.call(&mut self.wire, cx, act);
    }

    fn ended(&mut self, end: End) -> Result<(), ConnectionError> {
        match end {
            End::Refused(error, received) => {
                self.received = received;
                Err(error.into())
            }
            End::Closed => match self.wire.error.take() {
                Some(error) => Err(error.into()),
                None => Ok(()),
            },
        }
    }
}

pin_project! {
    /// The wait of an idle connection for a request. An async block would do the same, but be larger.
    struct NextRequest<'a, Io, D> {
        connection: &'a mut Connection<Io>,
        #[pin]
        drain: D,
        is_drained: bool,
    }
}

impl<Io, D> Future for NextRequest<'_, Io, D>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    type Output = Result<Option<Request>, ConnectionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.connection.poll_request(cx, *this.is_drained);
        // Of a request that has begun the rest is waited for, whatever `drain` says: it is only asked while
        // the connection is idle, which is what it may want to know.
        if request.is_ready() || *this.is_drained || !this.connection.is_idle() {
            return request;
        }
        *this.is_drained = this.drain.poll(cx).is_ready();
        if *this.is_drained {
            this.connection.poll_request(cx, true)
        } else {
            Poll::Pending
        }
    }
}

/// As much as is read at a time.
const READ: usize = 5 * 1024;
