//! One connection to a policy server, for one request at a time.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use policy_flow::{
    Address, AskId, AttemptError, BackendConfig, BackendDriver, Connecting, Event, Failure, LinkId,
    Retry, Sent, Shared, Slot, Upstream, UpstreamOptions,
};
use policy_proto::{Limits, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::unconstrained,
};

use crate::{timer::now, upstream::is_ours};

/// One connection to a policy server, for one request at a time.
///
/// What a server sends before it is asked first is taken for its answer; later it ends the connection.
///
/// ```
/// use policy_net::Client;
/// use policy_proto::Request;
/// use tokio::io::AsyncWriteExt;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (near, mut far) = tokio::io::duplex(4096);
/// far.write_all(b"action=DUNNO\n\n").await?;
///
/// let mut client = Client::new(near);
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// assert_eq!(client.ask(&request).await?.as_str(), Some("DUNNO"));
/// assert!(client.settle().await, "it can be asked again");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client<Io> {
    /// Of one backend, which has one connection, and no limit of time.
    flow: Upstream,
    wire: Wire<Io>,
}

#[derive(Debug)]
struct Wire<Io> {
    /// Nothing once it is closed.
    io: Option<Io>,
    /// Its number, once it has been used.
    link: Option<LinkId>,
    /// What has not been taken of a request.
    rest: BytesMut,
    is_unsent: bool,
    waker: Waker,
    /// It cannot be written to.
    error: Option<io::Error>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    /// A client on a connection that has just been opened, with the default [`Limits`].
    pub fn new(io: Io) -> Self {
        Self::with_limits(io, Limits::default())
    }

    /// The same with other limits for answers.
    pub fn with_limits(io: Io, limits: Limits) -> Self {
        let mut options = UpstreamOptions::default();
        options.deadline = Duration::MAX;
        options.connect = None;
        options.last_resort = Duration::MAX;
        // Nobody else can be asked.
        options.retry = Retry::Unsent;
        options.max_connections = 1;
        options.max_age = Duration::MAX;
        options.limits = limits;
        let mut backend = BackendConfig::default();
        backend.timeout = Duration::MAX;
        backend.keep = Duration::MAX;
        backend.address = Some(Address::Other(0));
        let wire = Wire {
            io: Some(io),
            link: None,
            rest: BytesMut::new(),
            is_unsent: false,
            waker: Waker::noop().clone(),
            error: None,
        };
        let shared = Shared::new(options.balancer, [backend.backend], 1);
        let flow = match shared {
            Ok(shared) => Upstream::new(now(), options, [backend], &shared, 0),
            Err(_) => unreachable!("one backend with the default weight is allowed"),
        };
        Self { flow, wire }
    }

    /// Sends a request and waits for its answer, which counts as soon as its line is complete. Of the answer before, what
    /// is left is waited for first.
    ///
    /// It sets no limit of time: that is the caller's. After an error, or when the returned future
    /// was dropped before its end, the connection is closed: an answer that comes late
    /// would be taken for the next one's.
    ///
    /// # Errors
    ///
    /// [`Io`](AttemptError::Io) when the connection fails, or is closed;
    /// [`LocalIo`](AttemptError::LocalIo) when this side has run out of something;
    /// [`Closed`](AttemptError::Closed) when it ends without a byte of an answer;
    /// [`Invalid`](AttemptError::Invalid) when it ends within one, or what comes is none.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, AttemptError> {
        let mut asking = Asking {
            client: self,
            ask: None,
        };
        poll_fn(|cx| asking.poll(request, cx)).await
    }

    /// Waits for what is left of the last answer, its blank line; whether the connection can be
    /// used for another request: it cannot when more has come, or the server has closed it.
    ///
    /// It sets no limit of time. Nothing is lost when the returned future is dropped before its
    /// end.
    pub async fn settle(&mut self) -> bool {
        // A task whose budget is used up would find each connection silent.
        unconstrained(poll_fn(|cx| self.poll_settle(cx))).await
    }

    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.wire.waker.clone_from(cx.waker());
        loop {
            if self.wire.io.is_none() || self.wire.link.is_none() {
                return Poll::Ready(self.wire.io.is_some());
            }
            if self.poll_wire(cx).is_pending() {
                let backend = self.flow.slots().first();
                let is_idle = backend.is_some_and(|backend| self.flow.idle(*backend) > 0);
                return match is_idle {
                    true => Poll::Ready(true),
                    false => Poll::Pending,
                };
            }
        }
    }

    /// Ready when something has happened that the state machine knows of now.
    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { flow, wire } = self;
        let (Some(io), Some(link)) = (&mut wire.io, wire.link) else {
            return Poll::Pending;
        };
        if wire.is_unsent
            && wire.error.is_none()
            && let Poll::Ready(sent) = poll_rest(io, &mut wire.rest, cx)
        {
            wire.is_unsent = false;
            match sent {
                Ok(()) => flow.link_flushed(link),
                Err(error) => wire.error = Some(error),
            }
            return Poll::Ready(());
        }
        let mut place = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut place[..flow.room(link).min(READ)]);
        if buf.capacity() == 0 {
            return Poll::Pending;
        }
        let read = ready!(Pin::new(io).poll_read(cx, &mut buf));
        match (read.map(|()| buf.filled()), wire.error.take()) {
            // A server may answer and close before it has read all. If it did not, then that it did not take the request
            // is the reason.
            (Ok([]) | Err(_), Some(error)) => flow.link_failed(link, failure(error), wire),
            (Ok([]), None) => flow.ended(link, wire),
            (Ok(data), error) => {
                wire.error = error;
                flow.data(link, data, wire);
            }
            (Err(error), None) => flow.link_failed(link, failure(error), wire),
        }
        Poll::Ready(())
    }
}

/// A request that is asked, until it is dropped.
struct Asking<'a, Io: AsyncRead + AsyncWrite + Unpin> {
    client: &'a mut Client<Io>,
    ask: Option<AskId>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Asking<'_, Io> {
    fn poll(
        &mut self,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, AttemptError>> {
        let client = &mut *self.client;
        client.wire.waker.clone_from(cx.waker());
        client.flow.set_now(now());
        if self.ask.is_none() {
            // What has come since the last answer is found before the next one is waited for.
            while client.poll_wire(cx).is_ready() {}
            let Client { flow, wire } = &mut *client;
            self.ask = Some(flow.ask(request.clone(), None, 0, wire));
        }
        loop {
            if let Some(done) = client.flow.take_done() {
                self.ask = None;
                let answer = done.result.map(|answer| answer.response);
                return Poll::Ready(answer.map_err(
                    |mut exhausted| match exhausted.attempts.pop() {
                        Some((_, AttemptError::Connect(error))) => AttemptError::Io(error),
                        Some((_, error)) => error,
                        None => AttemptError::Io(io::ErrorKind::NotConnected.into()),
                    },
                ));
            }
            ready!(client.poll_wire(cx));
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Drop for Asking<'_, Io> {
    fn drop(&mut self) {
        if let Some(ask) = self.ask {
            let Client { flow, wire } = &mut *self.client;
            flow.cancel(ask, wire);
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> BackendDriver for Wire<Io> {
    fn connect(&mut self, link: LinkId, _: Slot, _: Address) -> Result<Connecting, Failure> {
        if self.io.is_some() && self.link.is_none() {
            self.link = Some(link);
            return Ok(Connecting::Done);
        }
        Err(Failure::Peer(io::ErrorKind::NotConnected.into()))
    }

    fn send(&mut self, _: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let Some(io) = &mut self.io else {
            return Err(Failure::Peer(io::ErrorKind::NotConnected.into()));
        };
        self.rest.extend_from_slice(bytes);
        let mut cx = Context::from_waker(&self.waker);
        match poll_rest(io, &mut self.rest, &mut cx) {
            Poll::Ready(Ok(())) => Ok(Sent::All),
            Poll::Ready(Err(error)) if is_ours(&error) => Err(Failure::Local(error)),
            Poll::Ready(Err(error)) => {
                self.error = Some(error);
                Ok(Sent::Part)
            }
            Poll::Pending => {
                self.is_unsent = true;
                Ok(Sent::Part)
            }
        }
    }

    fn close(&mut self, _: LinkId) {
        self.io = None;
    }

    fn resume(&mut self, _: LinkId) {}

    fn is_open(&mut self, _: LinkId) -> bool {
        // It has just been read from.
        self.io.is_some()
    }

    fn resolve(&mut self, _: Slot) {}

    fn wake(&mut self, _: usize) {}

    fn event(&mut self, _: Event<'_>) {}
}

/// Ready when all has been taken.
fn poll_rest<Io: AsyncWrite + Unpin>(
    io: &mut Io,
    rest: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut io = Pin::new(io);
    while !rest.is_empty() {
        match ready!(io.as_mut().poll_write(cx, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => rest.advance(written),
        }
    }
    io.poll_flush(cx)
}

fn failure(error: io::Error) -> Failure {
    match is_ours(&error) {
        true => Failure::Local(error),
        false => Failure::Peer(error),
    }
}

/// As much as is read at a time.
const READ: usize = 4 * 1024;
