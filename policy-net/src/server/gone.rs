//! Finding out that a client has gone while its request is worked on.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use super::{connection::Connection, registration::State};

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
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
            let State::Open { room } = self.registration.look(cx) else {
                return Poll::Ready(());
            };
            if self.wire.ended || room == 0 {
                // Nothing wakes up who reads no more, or waits for the end of the other side: it is looked for.
                if self.is_closed(cx) {
                    self.registration.leave();
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

    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(sleep(CLOSED_PAUSE)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(())
    }

    /// Whether the client, having ended its side, has closed the other one as well. An empty write
    /// sends nothing, and fails where the connection has been reset or a UNIX socket closed.
    pub(super) fn is_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let written = Pin::new(&mut self.wire.io).poll_write(cx, &[]);
        matches!(written, Poll::Ready(Err(_)))
    }
}

/// How soon a client is missed that has ended one side, and the other later, or leaves while it waits for
/// memory.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
