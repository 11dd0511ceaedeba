//! One connection to a backend, which its task and those who ask over it share.

use std::{
    io, mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use policy_flow::Sent;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client::is_ours;

/// One connection to a backend. Its task reads; who asks over it writes.
#[derive(Debug)]
pub(super) struct Link<Io>(Mutex<Half<Io>>);

#[derive(Debug)]
pub(super) struct Half<Io> {
    /// Nothing until it is open, and once it is closed.
    pub(super) io: Option<Io>,
    pub(super) is_closed: bool,
    /// The rest of a request that the system has not taken.
    rest: BytesMut,
    is_unsent: bool,
    /// It cannot be written to.
    error: Option<io::Error>,
    /// The task's.
    waker: Waker,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Link<Io> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Half {
            io: None,
            is_closed: false,
            rest: BytesMut::new(),
            is_unsent: false,
            error: None,
            waker: Waker::noop().clone(),
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Half<Io>> {
        // Nothing that holds the lock can panic half-way but a user's connection, which is given up then.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request; the task sends what the system does not take. Nothing if it cannot be written to: a server may
    /// answer and close before it has read all, so that is a failure only if no answer is found by the task, which is
    /// woken by the waker.
    ///
    /// # Errors
    ///
    /// This side has run out of something.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<(Sent, Option<Waker>)> {
        let half = &mut *self.lock();
        let Some(io) = &mut half.io else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut cx = Context::from_waker(&half.waker);
        let mut bytes = bytes;
        let sent = poll_send(io, &mut bytes, &mut cx);
        half.is_unsent = true;
        match sent {
            Poll::Ready(Ok(())) => {
                half.is_unsent = false;
                return Ok((Sent::All, None));
            }
            Poll::Ready(Err(error)) if is_ours(&error) => return Err(error),
            Poll::Ready(Err(error)) => {
                half.error = Some(error);
                return Ok((Sent::Part, Some(half.waker.clone())));
            }
            Poll::Pending => half.rest.extend_from_slice(bytes),
        }
        Ok((Sent::Part, None))
    }

    /// Whether nothing has come over it, as far as its runtime knows.
    pub(super) fn is_silent(&self, is_open: impl FnOnce(&Io) -> bool) -> bool {
        let half = &mut *self.lock();
        let Some(io) = &mut half.io else {
            return false;
        };
        let mut byte = [0];
        let mut cx = Context::from_waker(&half.waker);
        // What is read here is lost with the connection.
        let read = Pin::new(&mut *io).poll_read(&mut cx, &mut ReadBuf::new(&mut byte));
        read.is_pending() && is_open(io)
    }

    /// Closes it; what is to be woken when no lock is held.
    pub(super) fn close(&self) -> Waker {
        let half = &mut *self.lock();
        half.is_closed = true;
        half.io = None;
        mem::replace(&mut half.waker, Waker::noop().clone())
    }

    /// The waker of its task.
    pub(super) fn waker(&self) -> Waker {
        self.lock().waker.clone()
    }

    /// Ready when something has happened, for its task.
    pub(super) fn poll<'a>(
        &self,
        buf: &'a mut ReadBuf<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Happened<'a>> {
        let half = &mut *self.lock();
        half.register(cx);
        if half.is_closed {
            return Poll::Ready(Happened::Closed);
        }
        if half.is_unsent
            && half.error.is_none()
            && let Poll::Ready(sent) = half.poll_rest(cx)
        {
            match sent {
                Ok(()) => {
                    half.is_unsent = false;
                    return Poll::Ready(Happened::Flushed);
                }
                Err(error) if is_ours(&error) => return Poll::Ready(Happened::Failed(error)),
                Err(error) => half.error = Some(error),
            }
        }
        let Some(io) = half.io.as_mut().filter(|_| buf.capacity() > 0) else {
            return Poll::Pending;
        };
        let read = ready!(Pin::new(io).poll_read(cx, buf));
        Poll::Ready(match read.map(|()| buf.filled()) {
            Ok([]) => half.error.take().map_or(Happened::Ended, Happened::Failed),
            Ok(data) => Happened::Data(data),
            Err(error) => Happened::Failed(half.error.take().unwrap_or(error)),
        })
    }
}

/// Ready when all of the bytes have been taken; those are left that have not.
fn poll_send<Io: AsyncWrite + Unpin>(
    io: &mut Io,
    bytes: &mut &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut io = Pin::new(io);
    while let [_, ..] = bytes {
        match ready!(io.as_mut().poll_write(cx, bytes))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    io.poll_flush(cx)
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Half<Io> {
    /// For what happens from now on.
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        // The waker of a task of the runtime's: it can be dropped anywhere.
        self.waker.clone_from(cx.waker());
    }

    /// Ready when nothing is left to be sent.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = self.io.as_mut().filter(|_| self.is_unsent) else {
            return Poll::Ready(Ok(()));
        };
        let mut rest = &self.rest[..];
        let sent = poll_send(io, &mut rest, cx);
        let taken = self.rest.len() - rest.len();
        self.rest.advance(taken);
        sent
    }
}

/// An event of a connection.
pub(super) enum Happened<'a> {
    Data(&'a [u8]),
    Ended,
    Failed(io::Error),
    /// The rest of a request is sent.
    Flushed,
    /// The state machine has closed it.
    Closed,
}
