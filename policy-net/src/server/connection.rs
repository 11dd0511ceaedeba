//! The server's side of one connection.

use std::{
    future::poll_fn,
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use policy_flow::ClientId;
use policy_proto::{Ignored, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    clients::{Clients, End},
    error::ConnectionError,
    next_request::NextRequest,
    place::{Look, Place},
    wire::{Driver, Wire},
};

/// The server's side of one connection: requests in, replies out, one after the other.
///
/// [`serve_connection`](crate::serve_connection) is a loop around it. Use it instead where
/// something is to be remembered between two requests, or said about each:
///
/// ```
/// use policy_net::{Clients, Connection};
/// use policy_proto::Response;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"instance=a\n\ninstance=b\n\n").await?;
/// client.shutdown().await?;
///
/// let mut connection = Connection::new(server, Clients::default());
/// let drain = CancellationToken::new();
/// let mut answered = 0;
/// while let Some(request) = connection.request(drain.cancelled()).await? {
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
    wire: Wire<Io>,
    place: Place,
    /// Bytes that came and were no request, once the connection has been refused for them.
    received: Bytes,
    /// Until it is looked whether the client has gone.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// A connection of one of these clients. It is to be called in a runtime.
    pub fn new(io: Io, clients: impl Into<Clients>) -> Self {
        Self {
            wire: Wire::new(io),
            place: Place::new(clients.into()),
            received: Bytes::new(),
            pause: None,
        }
    }

    /// The next request; `None` when the client has ended the connection between two requests, has
    /// been idle for too long, or `drain` has ended and none is under way: as a rule this is
    /// [`CancellationToken::cancelled`](tokio_util::sync::CancellationToken::cancelled), which may also
    /// be [`pending`](std::future::pending). It is polled only while no byte of a request has come. Each request is
    /// to be replied to before the next one is waited for.
    ///
    /// Nothing is lost when the returned future is dropped before its end.
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

    pub(super) fn poll_request(
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
            let room = match self.place.look(cx) {
                Look::Open { room } => room,
                Look::Ended(end) => return Poll::Ready(self.ended(end).map(|()| None)),
                Look::Over => return Poll::Ready(Ok(None)),
            };
            if room == 0 {
                // It waits for memory. Nothing is read that would tell of its end.
                if self.is_closed(cx) {
                    self.place.leave();
                    let gone = io::Error::from(io::ErrorKind::BrokenPipe);
                    return Poll::Ready(Err(gone.into()));
                }
                ready!(self.poll_pause(cx));
            } else if self.poll_read(room, cx).is_pending() {
                if is_drained && self.is_idle() {
                    self.place.leave();
                    return Poll::Ready(Ok(None));
                }
                return Poll::Pending;
            }
        }
    }

    /// What has come and is no request. After an error of [`request`](Self::request) it tells what the
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

    /// What it was made of, once [`request`](Self::request) has returned `None`: nothing that came
    /// over it is lost then, so that it can be served by somebody else.
    pub fn into_inner(self) -> Io {
        self.wire.io
    }

    /// Lines of the last request, and of the beginning of the next one, that were no attributes, where
    /// that is [allowed](policy_flow::ClientOptions::lenient): the first ones, and a count of the others. To be taken
    /// before the next request is waited for.
    pub fn take_ignored(&mut self) -> Ignored {
        mem::take(&mut self.wire.ignored)
    }

    /// Sends a reply to the request that came last.
    ///
    /// # Errors
    ///
    /// The connection failed, or the client does not take the reply ([`io::ErrorKind::TimedOut`]).
    /// Nothing else is to be sent then. [`io::ErrorKind::InvalidInput`] if there is no request that has not been
    /// replied to. When the returned future is dropped before its end, the rest is sent by the next call of
    /// [`request`](Self::request).
    pub async fn reply(&mut self, response: &Response) -> io::Result<()> {
        let send = |flow: &mut policy_flow::Clients, client, driver: &mut Driver<'_, '_, Io>| {
            flow.reply(client, response, driver);
        };
        self.respond(send).await
    }

    /// The same with bytes as they are. Postfix takes whatever is not a reply to its request for a failure.
    ///
    /// # Errors
    ///
    /// As for [`reply`](Self::reply).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let send = |flow: &mut policy_flow::Clients, client, driver: &mut Driver<'_, '_, Io>| {
            flow.reply_with(client, bytes, driver);
        };
        self.respond(send).await
    }

    async fn respond(
        &mut self,
        send: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) -> io::Result<()> {
        let mut send = Some(send);
        poll_fn(|cx| {
            let Some(send) = send.take() else {
                return self.poll_rest(cx);
            };
            self.wire.is_replying = false;
            self.call(cx, send);
            match (self.wire.error.take(), self.wire.is_replying) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, true) => self.poll_rest(cx),
                (None, false) => Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            }
        })
        .await
    }

    /// Sends what is left of a reply.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.wire.is_unsent {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(written) = self.wire.poll_write(cx) {
            match written {
                Ok(()) => self.call(cx, |flow, client, driver| flow.flushed(client, driver)),
                Err(error) => {
                    self.place.leave();
                    return Poll::Ready(Err(error));
                }
            }
            return Poll::Ready(Ok(()));
        }
        match self.place.look(cx) {
            Look::Open { .. } => Poll::Pending,
            Look::Ended(_) | Look::Over => {
                self.wire.is_unsent = false;
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Ends when the client is known to have gone for good, and only then. To be raced against the
    /// work on its request: what it sends meanwhile is kept for later, as far as there is room beside
    /// the request, some kilobytes as a rule; nothing is lost when the returned future is dropped.
    ///
    /// A client that has merely ended its side still waits for its reply. Over a UNIX socket it can
    /// be told from one that has closed. Over TCP it cannot, until something is sent: there only a
    /// reset is a sign, and the work for a client that has closed goes on.
    pub fn gone(&mut self) -> impl Future<Output = ()> + use<'_, Io> {
        poll_fn(|cx| self.poll_gone(cx))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Look::Open { room } = self.place.look(cx) else {
                return Poll::Ready(());
            };
            if self.wire.ended || room == 0 {
                // Nothing wakes up who reads no more, or waits for the end of the other side: it is looked for.
                if self.is_closed(cx) {
                    self.place.leave();
                    return Poll::Ready(());
                }
                ready!(self.poll_pause(cx));
            } else {
                ready!(self.poll_read(room, cx));
                if self.wire.error.take().is_some() {
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Whether nothing has come of a request.
    pub(super) fn is_idle(&self) -> bool {
        self.place.is_idle()
    }

    /// Reads, and tells the state machine.
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut place = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut place[..room.min(READ)]);
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

    fn call(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) {
        self.place.call(&mut self.wire, cx, act);
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

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(sleep(CLOSED_PAUSE)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(())
    }

    /// Whether the client, having ended its side, has closed the other one as well. An empty write
    /// sends nothing, and fails where the connection has been reset or a UNIX socket closed.
    fn is_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let written = Pin::new(&mut self.wire.io).poll_write(cx, &[]);
        matches!(written, Poll::Ready(Err(_)))
    }
}

/// How soon a client is missed that has ended one side, and the other later, or leaves while it waits for
/// memory.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
/// As much as is read at a time.
const READ: usize = 5 * 1024;
