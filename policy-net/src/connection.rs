//! The server's side of one connection.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use policy_proto::{Ignored, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{
    Terms,
    alarm::Alarm,
    reading::{Lent, Reading},
};

mod error;
pub use error::ConnectionError;

mod next_request;
use next_request::NextRequest;

/// The server's side of one connection: requests in, replies out, one after the other.
///
/// [`serve_connection`](crate::serve_connection) is a loop around it. Use it instead where
/// something is to be remembered between two requests, or said about each:
///
/// ```
/// use policy_net::{Connection, Terms};
/// use policy_proto::Response;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"instance=a\n\ninstance=b\n\n").await?;
/// client.shutdown().await?;
///
/// let mut connection = Connection::new(server, Terms::default());
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
    io: Io,
    terms: Arc<Terms>,
    /// Nothing while it is idle.
    lent: Lent,
    alarm: Alarm,
    /// When the wait for a request, for room for a reply, or for a sign of the client ends; `None` until
    /// it has to be waited for. That for the rest of a request is [`Reading::slow`](crate::reading).
    until: Option<Instant>,
    /// The client will send no more. It may still wait for a reply.
    ended: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// A connection that is served on these terms.
    pub fn new(io: Io, terms: impl Into<Arc<Terms>>) -> Self {
        Self {
            io,
            terms: terms.into(),
            lent: Lent::default(),
            alarm: Alarm::default(),
            until: None,
            ended: false,
        }
    }

    /// The next request; `None` when the client has ended the connection between two requests, has
    /// been idle for too long, or `drain` has ended and none is under way: as a rule this is
    /// [`CancellationToken::cancelled`](tokio_util::sync::CancellationToken::cancelled), which may also
    /// be pinned once for all requests, since it can be polled after its end. `drain` is polled only
    /// while no byte of a request has come: so it can tell whether the connection is idle.
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
        self.until = None;
        if let Some(reading) = self.lent.get() {
            reading.forget_request();
        }
        NextRequest {
            connection: self,
            drain,
            is_drained: false,
        }
    }

    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        drained: bool,
    ) -> Poll<Result<Option<Request>, ConnectionError>> {
        loop {
            if let Some(reading) = self.lent.get()
                && let Some(request) = reading.decode()?
            {
                return Poll::Ready(Ok(Some(request)));
            }
            if self.ended {
                if let Some(reading) = self.lent.get() {
                    reading.finish()?;
                }
                return Poll::Ready(Ok(None));
            }
            if let Poll::Ready(read) = self.poll_read(cx) {
                self.ended = read? == 0;
                continue;
            }
            if let Some(since) = self.lent.waiting_since() {
                return self.poll_wait(since, cx).map(Err);
            }
            let patience = self.terms.patience;
            if let Some(reading) = self.lent.get()
                && reading.has_begun()
            {
                let slow = &mut reading.slow;
                ready!(self.alarm.poll_within(slow, patience.request, cx));
                return Poll::Ready(Err(ConnectionError::TooSlow));
            }
            self.lent.end();
            if !drained {
                ready!(self.poll_within(patience.idle, cx));
            }
            return Poll::Ready(Ok(None));
        }
    }

    /// Ready with an error when the wait for memory has taken too long, or its client has gone, as far as
    /// that is seen.
    fn poll_wait(&mut self, since: Instant, cx: &mut Context<'_>) -> Poll<ConnectionError> {
        if let Some(reading) = self.lent.get() {
            // The client is not to blame, and its time does not run.
            reading.slow = None;
        }
        let within = self.terms.patience.memory;
        let end = within.and_then(|within| since.checked_add(within));
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Poll::Ready(ConnectionError::NoMemory);
            }
            // Nothing is read that would tell.
            if self.is_closed(cx) {
                return Poll::Ready(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            let look = now.checked_add(CLOSED_PAUSE);
            let until = [look, end].into_iter().flatten().min();
            ready!(self.alarm.poll(until, cx));
        }
    }

    /// Whether a request has begun to come, and perhaps waits for memory.
    fn has_begun(&mut self) -> bool {
        self.lent.waiting_since().is_some()
            || self.lent.get().is_some_and(|reading| reading.has_begun())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.lent.try_begin(&self.terms) {
            // Only a request waits for memory, not an idle client: one byte tells them apart.
            let mut byte = [0];
            let mut buf = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            match (buf.filled(), &self.terms.memory) {
                (&[first], Some(budget)) => self.lent.wait(first, budget),
                _ => return Poll::Ready(Ok(0)),
            }
        }
        let reading = ready!(self.lent.poll(&self.terms, cx));
        let buf = ready!(reading.poll_room(&self.terms, cx));
        pin!(self.io.read_buf(buf)).poll(cx)
    }

    /// What has come and is no request yet. After an error of [`request`](Self::request) it tells what the
    /// client sent instead of one.
    ///
    /// ```
    /// use policy_net::{Connection, Terms};
    /// use std::{future::pending, sync::Arc};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let (mut client, server) = tokio::io::duplex(64);
    /// client.write_all(b"GET / HTTP/1.1\r\n").await?;
    /// let mut connection = Connection::new(server, Terms::default());
    /// assert!(connection.request(pending()).await.is_err());
    /// assert!(connection.received().starts_with(b"GET "));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn received(&mut self) -> &[u8] {
        match self.lent.get() {
            Some(reading) => reading.received(),
            None => &[],
        }
    }

    /// What it was made of, once [`request`](Self::request) has returned `None`: nothing that came
    /// over it is lost then, so that it can be served by somebody else.
    pub fn into_inner(self) -> Io {
        self.io
    }

    /// Lines of the last request, and of the beginning of the next one, that were no attributes, where
    /// the [terms](Terms::lenient) are lenient: the first ones, and a count of the others. To be taken
    /// before the next request is waited for.
    pub fn take_ignored(&mut self) -> Ignored {
        match self.lent.get() {
            Some(reading) => reading.decoder.take_ignored(),
            None => Ignored::default(),
        }
    }

    /// Sends a reply.
    ///
    /// # Errors
    ///
    /// The connection failed, or the client does not take the reply ([`io::ErrorKind::TimedOut`]).
    /// Nothing else is to be sent then, nor when the returned future was dropped before its end.
    pub async fn reply(&mut self, response: &Response) -> io::Result<()> {
        self.reply_after(b"", response).await
    }

    /// Sends these bytes and a reply, in one write: where a client reads more than the protocol, as
    /// a person at a terminal may.
    ///
    /// # Errors
    ///
    /// As for [`reply`](Self::reply).
    pub fn reply_after<'a>(
        &'a mut self,
        bytes: &[u8],
        response: &Response,
    ) -> impl Future<Output = io::Result<()>> + use<'a, Io> {
        self.lent.begin(&self.terms).reply.begin(bytes, response);
        self.until = None;
        // What it was made of is not held until it is sent, unless it is long.
        poll_fn(|cx| self.poll_reply(cx))
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut reply = mem::take(&mut self.lent.begin(&self.terms).reply);
        let written = loop {
            let mut rest = reply.rest();
            let length = rest.len();
            let written = self.poll_write_within(&mut rest, cx);
            let sent = length - rest.len();
            reply.advance(sent);
            if sent == 0 || !matches!(written, Poll::Ready(Ok(()))) {
                break written;
            }
        };
        if written.is_ready() {
            reply.clear();
        }
        self.lent.begin(&self.terms).reply = reply;
        written
    }

    /// Sends bytes as they are. Postfix takes whatever is not a reply to its request for a failure.
    ///
    /// # Errors
    ///
    /// As for [`reply`](Self::reply).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        self.until = None;
        poll_fn(|cx| self.poll_write_within(&mut rest, cx)).await
    }

    fn poll_write_within(
        &mut self,
        rest: &mut &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let written = self.poll_write(rest, cx);
        if written.is_pending() {
            ready!(self.poll_within(self.terms.patience.request, cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    fn poll_write(&mut self, rest: &mut &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *rest = rest.get(written..).unwrap_or_default(),
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ends when the client is known to have gone for good, and only then. To be raced against the
    /// work on its request: what it sends meanwhile is kept for later, as far as there is room beside
    /// the request, some kilobytes as a rule; nothing is lost when the returned future is dropped.
    ///
    /// A client that has merely ended its side still waits for its reply. Over a UNIX socket it can
    /// be told from one that has closed. Over TCP it cannot, until something is sent: there only a
    /// reset is a sign, and the work for a client that has closed goes on.
    pub fn gone(&mut self) -> impl Future<Output = ()> + use<'_, Io> {
        self.until = None;
        poll_fn(|cx| self.poll_gone(cx))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.ended && self.lent.get().is_none_or(Reading::can_read_ahead) {
            match ready!(self.poll_read(cx)) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(_) => return Poll::Ready(()),
            }
        }
        // Nothing wakes up who reads no more, or waits for the end of the other side: it is looked for.
        while !self.is_closed(cx) {
            ready!(self.poll_within(Some(CLOSED_PAUSE), cx));
            self.until = None;
        }
        Poll::Ready(())
    }

    /// Ready when this has taken for as long as that.
    fn poll_within(&mut self, within: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll_within(&mut self.until, within, cx)
    }

    /// Whether the client, having ended its side, has closed the other one as well. An empty write
    /// sends nothing, and fails where the connection has been reset or a UNIX socket closed.
    fn is_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let written = Pin::new(&mut self.io).poll_write(cx, &[]);
        matches!(written, Poll::Ready(Err(_)))
    }
}

/// How soon a client is missed that has ended one side, and the other later, or leaves while it waits for
/// memory.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
