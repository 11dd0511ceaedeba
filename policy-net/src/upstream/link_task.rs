//! The task of a connection to a backend: it opens it, reads from it, and writes what could not be written at once.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use policy_flow::{Address, Failure, LinkId};
use tokio::io::ReadBuf;

use super::{
    Connect,
    driver::Driver,
    link::{Happened, Link},
    machine::Inner,
};
use crate::client::failure;

/// The task of a connection.
pub(super) struct LinkTask<C: Connect> {
    pub(super) upstream: Weak<Inner<C>>,
    pub(super) connect: Arc<C>,
    pub(super) id: LinkId,
    pub(super) link: Arc<Link<C::Io>>,
    /// As many bytes may be read.
    pub(super) room: usize,
    /// The state machine knows that it has ended.
    pub(super) is_over: bool,
}

impl<C: Connect> LinkTask<C> {
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
        self.tell(|flow, id, driver| {
            flow.connected(id, driver);
            flow.room(id)
        });
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [MaybeUninit::uninit(); READ];
        while !self.is_over {
            if self.room == 0 {
                // It waits for memory, and is woken when there is some.
                self.tell(|flow, id, _| flow.room(id));
            }
            let mut buf = ReadBuf::uninit(&mut bytes[..self.room.min(READ)]);
            match ready!(self.link.poll(&mut buf, cx)) {
                Happened::Data(data) => self.tell(|flow, id, driver| {
                    flow.data(id, data, driver);
                    flow.room(id)
                }),
                Happened::Ended => self.tell(|flow, id, driver| {
                    flow.ended(id, driver);
                    0
                }),
                Happened::Failed(error) => self.failed(error),
                Happened::Flushed => self.tell(|flow, id, _| {
                    flow.link_flushed(id);
                    flow.room(id)
                }),
                Happened::Closed => self.is_over = true,
            }
        }
        Poll::Ready(())
    }

    fn failed(&mut self, error: io::Error) {
        let failure = failure(error, &*self.connect);
        self.tell(|flow, id, driver| {
            flow.link_failed(id, failure, driver);
            0
        });
    }

    /// Tells the state machine, as long as it is interested; how much may be read then.
    fn tell(
        &mut self,
        tell: impl FnOnce(&mut policy_flow::Upstream, LinkId, &mut Driver<C>) -> usize,
    ) {
        let room = self.upstream.upgrade().and_then(|upstream| {
            upstream.with(|flow, driver| {
                let room = driver
                    .is_current(self.id, &self.link)
                    .then(|| tell(flow, self.id, driver));
                room.filter(|_| driver.is_current(self.id, &self.link))
            })
        });
        self.room = room.unwrap_or(0);
        self.is_over |= room.is_none();
    }
}

impl<C: Connect> Drop for LinkTask<C> {
    fn drop(&mut self) {
        if !self.is_over {
            let ended = Failure::Local(io::Error::other("the runtime of the connection has ended"));
            self.tell(|flow, id, driver| {
                flow.link_failed(id, ended, driver);
                0
            });
        }
    }
}

/// As much as is read at a time.
const READ: usize = 4 * 1024;
