//! A connection whose bytes are looked at as they pass.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::excess::{Excess, Unfinished};

/// Which way bytes went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    ToServer,
    FromServer,
}

/// A function that is shown each piece of bytes, as it was written or read.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Show>);

type Show = dyn Fn(Direction, &[u8]) + Send + Sync;

impl Watch {
    pub(crate) fn new(show: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// A connection, and what is shown its bytes.
#[derive(Debug)]
pub(super) struct Watched<Io> {
    io: Io,
    excess: SharedExcess,
    watch: Option<Watch>,
}

/// What a connection has brought besides answers, for whoever has lent the connection away.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedExcess(Arc<Mutex<Excess>>);

impl SharedExcess {
    pub(super) fn take(&self) -> Vec<u8> {
        self.with(Excess::take)
    }

    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        self.with(|excess| excess.unfinished())
    }

    pub(super) fn returning(&self) -> Option<Bytes> {
        self.with(|excess| excess.returning())
    }

    fn with<T>(&self, call: impl FnOnce(&mut Excess) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<Io> Watched<Io> {
    pub(super) const fn new(io: Io, excess: SharedExcess, watch: Option<Watch>) -> Self {
        Self { io, excess, watch }
    }

    fn show(&self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.excess.with(|excess| match direction {
            Direction::ToServer => excess.asked(),
            Direction::FromServer => excess.received(bytes),
        });
        if let Some(Watch(show)) = &self.watch {
            show(direction, bytes);
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        let bytes = buf.filled().get(before..).unwrap_or_default();
        if bytes.is_empty() {
            this.excess.with(Excess::ended);
        }
        this.show(Direction::FromServer, bytes);
        Poll::Ready(read)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        this.show(Direction::ToServer, buf.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
