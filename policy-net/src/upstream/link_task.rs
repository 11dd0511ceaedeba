//! The task of a connection to a backend: it opens it, reads from it, and writes what could not be written at once.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use policy_flow::{Address, Failure, LinkId};
use tokio::io::ReadBuf;

use super::{
    Connect,
    link::{Happened, Link},
};
use crate::client::failure;

/// The state machine, as it is told of a connection.
pub(super) trait Tell<Io> {
    /// Tells what has happened: how many bytes may be read then. `None` once the state machine is not interested.
    fn tell(&self, id: LinkId, link: &Arc<Link<Io>>, news: News<'_>) -> Option<usize>;
}

/// News of a connection.
pub(super) enum News<'a> {
    Connected,
    Data(&'a [u8]),
    /// The rest of a request is sent.
    Flushed,
    Ended,
    Failed(Failure),
    /// Nothing: it waits for memory.
    Waiting,
}

/// The task of a connection.
pub(super) struct LinkTask<C: Connect, U: Tell<C::Io>> {
    upstream: U,
    connect: Arc<C>,
    id: LinkId,
    link: Arc<Link<C::Io>>,
    /// As many bytes may be read.
    room: usize,
    /// The state machine knows that it has ended.
    is_over: bool,
}

impl<C: Connect, U: Tell<C::Io>> LinkTask<C, U> {
    pub(super) const fn new(
        upstream: U,
        id: LinkId,
        link: Arc<Link<C::Io>>,
        connect: Arc<C>,
    ) -> Self {
        Self {
            upstream,
            connect,
            id,
            link,
            room: 0,
            is_over: false,
        }
    }

    /// Opens the connection, and reads from it to its end.
    pub(super) async fn run(mut self, address: Address) {
        let connect = Arc::clone(&self.connect);
        let mut opening = pin!(connect.connect_to(address));
        let opened = poll_fn(|cx| {
            {
                let mut half = self.link.lock();
                if half.is_closed {
                    return Poll::Ready(None);
                }
                half.register(cx);
            }
            opening.as_mut().poll(cx).map(Some)
        });
        match opened.await {
            None => return self.is_over = true,
            Some(Err(error)) => return self.failed(error),
            Some(Ok(io)) => {
                let mut half = self.link.lock();
                if !half.is_closed {
                    half.io = Some(io);
                }
            }
        }
        self.tell(News::Connected);
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [MaybeUninit::uninit(); READ];
        while !self.is_over {
            if self.room == 0 {
                // It waits for memory, and is woken when there is some.
                self.tell(News::Waiting);
            }
            let mut buf = ReadBuf::uninit(&mut bytes[..self.room.min(READ)]);
            match ready!(self.link.poll(&mut buf, cx)) {
                Happened::Data(data) => self.tell(News::Data(data)),
                Happened::Ended => self.tell(News::Ended),
                Happened::Failed(error) => self.failed(error),
                Happened::Flushed => self.tell(News::Flushed),
                Happened::Closed => self.is_over = true,
            }
        }
        Poll::Ready(())
    }

    fn failed(&mut self, error: io::Error) {
        let failure = failure(error, &*self.connect);
        self.tell(News::Failed(failure));
    }

    fn tell(&mut self, news: News<'_>) {
        let room = self.upstream.tell(self.id, &self.link, news);
        self.room = room.unwrap_or(0);
        self.is_over |= room.is_none();
    }
}

impl<C: Connect, U: Tell<C::Io>> Drop for LinkTask<C, U> {
    fn drop(&mut self) {
        if !self.is_over {
            let ended = Failure::Local(io::Error::other("the runtime of the connection has ended"));
            self.tell(News::Failed(ended));
        }
    }
}

/// As much as is read at a time.
const READ: usize = 4 * 1024;
