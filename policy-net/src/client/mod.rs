//! One connection to a policy server, for one request at a time.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use policy_flow::{
    Address, AskId, AttemptError, BackendConfig, Retry, Shared, Upstream, UpstreamOptions,
};
use policy_proto::{Limits, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::unconstrained,
};

use crate::timer::now;

mod connect;
pub use connect::Connect;

mod connector;
pub use connector::Connector;

mod failure;
pub(crate) use failure::{failure, is_ours};

mod resolver;

mod wire;
use wire::{Wire, failure_of, poll_rest};

/// One connection to a policy server, for one request at a time.
///
/// Bytes that a server sends before it is asked first are taken for its answer; later it ends the connection.
///
/// ```
/// use policy_net::{Client, Request};
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

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    /// A client on a connection that has just been opened, with the default [`Limits`].
    pub fn new(io: Io) -> Self {
        Self::with_limits(io, Limits::default())
    }

    /// A client with other limits for answers.
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
        let wire = Wire::new(io);
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
    /// It sets no limit of time: that is the caller's. It is not cancel safe: after an error, or when the returned future
    /// was dropped before its end, the connection is closed, since an answer that comes late
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
    /// It sets no limit of time. It is cancel safe: nothing is lost when the returned future is dropped before its
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
                return if is_idle {
                    Poll::Ready(true)
                } else {
                    Poll::Pending
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
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut bytes[..flow.room(link).min(READ)]);
        if buf.capacity() == 0 {
            return Poll::Pending;
        }
        let read = ready!(Pin::new(io).poll_read(cx, &mut buf));
        match (read.map(|()| buf.filled()), wire.error.take()) {
            // A server may answer and close before it has read all. If it did not, then that it did not take the request
            // is the reason.
            (Ok([]) | Err(_), Some(error)) => flow.link_failed(link, failure_of(error), wire),
            (Ok([]), None) => flow.ended(link, wire),
            (Ok(data), error) => {
                wire.error = error;
                flow.data(link, data, wire);
            }
            (Err(error), None) => flow.link_failed(link, failure_of(error), wire),
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

/// As much as is read at a time.
const READ: usize = 4 * 1024;
