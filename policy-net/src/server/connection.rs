//! The server's side of one connection.

use std::{
    future::poll_fn,
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use policy_flow::{ClientDriver, ClientEvent, ClientId, Sent};
use policy_proto::{Ignored, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    clients::{Clients, End, Machine, Seats},
    error::ConnectionError,
    next_request::NextRequest,
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

/// What it sends and has received.
#[derive(Debug)]
struct Wire<Io> {
    io: Io,
    /// What is left of a reply.
    rest: BytesMut,
    /// It has failed.
    error: Option<io::Error>,
    /// The state machine has begun a reply.
    is_replying: bool,
    /// It has not been taken whole.
    is_unsent: bool,
    /// The next request, if it has come whole.
    request: Option<Request>,
    ignored: Ignored,
    /// The client will send no more. It may still wait for a reply.
    ended: bool,
}

/// Its place among the clients, which it gives up in the end.
#[derive(Debug)]
struct Place {
    clients: Clients,
    /// Nothing once the state machine has closed the connection: its number may be another's.
    client: Option<ClientId>,
    seat: usize,
}

/// What the state machine says of a connection.
enum Look {
    /// So many bytes may be read.
    Open {
        room: usize,
    },
    Ended(End),
    /// It ended, and that was told.
    Over,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// A connection of one of these clients. It is to be called in a runtime.
    pub fn new(io: Io, clients: impl Into<Clients>) -> Self {
        let clients = clients.into();
        let (client, seat) = clients.accept();
        Self {
            wire: Wire {
                io,
                rest: BytesMut::new(),
                error: None,
                is_replying: false,
                is_unsent: false,
                request: None,
                ignored: Ignored::default(),
                ended: false,
            },
            place: Place {
                clients,
                client,
                seat,
            },
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
            let room = match self.look(cx) {
                Look::Open { room } => room,
                Look::Ended(end) => return Poll::Ready(self.ended(end).map(|()| None)),
                Look::Over => return Poll::Ready(Ok(None)),
            };
            if room == 0 {
                // It waits for memory. Nothing is read that would tell of its end.
                if self.is_closed(cx) {
                    self.leave();
                    let gone = io::Error::from(io::ErrorKind::BrokenPipe);
                    return Poll::Ready(Err(gone.into()));
                }
                ready!(self.poll_pause(cx));
            } else if self.poll_read(room, cx).is_pending() {
                if is_drained && self.is_idle() {
                    self.leave();
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
                    self.leave();
                    return Poll::Ready(Err(error));
                }
            }
            return Poll::Ready(Ok(()));
        }
        match self.look(cx) {
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
            let Look::Open { room } = self.look(cx) else {
                return Poll::Ready(());
            };
            if self.wire.ended || room == 0 {
                // Nothing wakes up who reads no more, or waits for the end of the other side: it is looked for.
                if self.is_closed(cx) {
                    self.leave();
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
        let Place {
            clients, client, ..
        } = &self.place;
        client.is_some_and(|client| clients.look(|machine| machine.flow.is_idle(client)))
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

    /// Has the state machine do something for this connection.
    fn call(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) {
        let Some(client) = self.place.client else {
            return;
        };
        let wire = &mut self.wire;
        self.place.clients.with(|Machine { flow, seats }| {
            let mut driver = Driver { wire, cx, seats };
            act(flow, client, &mut driver);
            if let Some((_, request)) = flow.take_request() {
                driver.wire.request = Some(request);
            }
        });
    }

    /// What the state machine says, which wakes this task when that changes.
    fn look(&mut self, cx: &Context<'_>) -> Look {
        let Place {
            clients,
            client: Some(client),
            seat,
        } = &self.place
        else {
            return Look::Over;
        };
        let (look, _old) = clients.look(|Machine { flow, seats }| {
            let Some(seat) = seats.get_mut(*seat) else {
                return (Look::Over, None);
            };
            if let Some(end) = seat.end.take() {
                return (Look::Ended(end), None);
            }
            let room = flow.room(*client);
            let is_known = seat
                .waker
                .as_ref()
                .is_some_and(|old| old.will_wake(cx.waker()));
            let old = match is_known {
                true => None,
                false => seat.waker.replace(cx.waker().clone()),
            };
            (Look::Open { room }, old)
        });
        if matches!(look, Look::Ended(_)) {
            self.place.client = None;
        }
        look
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

    /// The connection is not served on.
    fn leave(&mut self) {
        self.place.leave();
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

impl<Io: AsyncWrite + Unpin> Wire<Io> {
    /// Ready when all of a reply has been taken, or the connection has failed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.rest.advance(written),
            }
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_unsent = false;
        Poll::Ready(Ok(()))
    }
}

impl Place {
    fn leave(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let seat = self.seat;
        self.clients.with(|Machine { flow, seats }| {
            // If the state machine has closed it, its number may be another's.
            if seats.get_mut(seat).is_some_and(|seat| seat.end.is_none()) {
                flow.gone(client, seats);
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
        let seat = self.seat;
        drop(self.clients.look(|machine| machine.seats.remove(seat)));
    }
}

/// What the state machine has this connection's task do.
struct Driver<'a, 'b, Io> {
    wire: &'a mut Wire<Io>,
    cx: &'a mut Context<'b>,
    seats: &'a mut Seats,
}

impl<Io: AsyncWrite + Unpin> ClientDriver for Driver<'_, '_, Io> {
    /// It is this connection's: others get their replies by their own tasks.
    fn send_client(&mut self, _: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        let wire = &mut *self.wire;
        wire.is_replying = true;
        wire.is_unsent = true;
        let mut bytes = bytes;
        while let [_, ..] = bytes {
            match Pin::new(&mut wire.io).poll_write(self.cx, bytes) {
                Poll::Ready(Ok(0)) => return wire.fail(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => bytes = bytes.get(written..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return wire.fail(error),
                Poll::Pending => break,
            }
        }
        wire.rest.extend_from_slice(bytes);
        match wire.poll_write(self.cx) {
            Poll::Ready(Ok(())) => Ok(Sent::All),
            Poll::Ready(Err(error)) => wire.fail(error),
            Poll::Pending => Ok(Sent::Part),
        }
    }

    fn close_client(&mut self, client: ClientId) {
        self.seats.close_client(client);
    }

    fn leave_client(&mut self, client: ClientId) {
        self.seats.leave_client(client);
    }

    fn resume_client(&mut self, client: ClientId) {
        self.seats.resume_client(client);
    }

    fn has_bytes(&mut self, client: ClientId) -> bool {
        self.seats.has_bytes(client)
    }

    fn client_event(&mut self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Ignored(new) => {
                let ignored = &mut self.wire.ignored;
                let room = Ignored::MAX_LINES.saturating_sub(ignored.lines.len());
                let kept = new.lines.iter().take(room);
                ignored.lines.extend(kept.cloned());
                ignored.more += new.more + new.lines.len().saturating_sub(room) as u64;
            }
            event => self.seats.client_event(event),
        }
    }
}

impl<Io> Wire<Io> {
    fn fail(&mut self, error: io::Error) -> io::Result<Sent> {
        let kind = error.kind();
        self.is_unsent = false;
        self.error = Some(error);
        Err(kind.into())
    }
}

/// How soon a client is missed that has ended one side, and the other later, or leaves while it waits for
/// memory.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
/// As much as is read at a time.
const READ: usize = 5 * 1024;
