//! The connection of a client, as its state machine uses it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use policy_flow::{Address, BackendDriver, Connecting, Event, Failure, LinkId, Sent, Slot};
use tokio::io::{AsyncRead, AsyncWrite};

use super::is_ours;

#[derive(Debug)]
pub(super) struct Wire<Io> {
    /// Nothing once it is closed.
    pub(super) io: Option<Io>,
    /// Its number, once it has been used.
    pub(super) link: Option<LinkId>,
    /// The rest of a request that has not been taken.
    pub(super) rest: BytesMut,
    pub(super) is_unsent: bool,
    pub(super) waker: Waker,
    /// It cannot be written to.
    pub(super) error: Option<io::Error>,
}

impl<Io> Wire<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io: Some(io),
            link: None,
            rest: BytesMut::new(),
            is_unsent: false,
            waker: Waker::noop().clone(),
            error: None,
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
pub(super) fn poll_rest<Io: AsyncWrite + Unpin>(
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

pub(super) fn failure_of(error: io::Error) -> Failure {
    if is_ours(&error) {
        Failure::Local(error)
    } else {
        Failure::Peer(error)
    }
}
