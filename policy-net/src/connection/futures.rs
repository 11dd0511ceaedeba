//! What a connection waits for. Async blocks would do the same, but be larger, and a connection has the
//! room for the largest of all that it ever waits for, also while it is idle.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use pin_project_lite::pin_project;
use policy_proto::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::WaitForCancellationFuture;

use super::{Connection, ConnectionError};
use crate::buffers;

pin_project! {
    /// What an idle connection waits for.
    pub(super) struct NextRequest<'a, Io> {
        pub(super) connection: &'a mut Connection<Io>,
        #[pin]
        pub(super) drained: WaitForCancellationFuture<'a>,
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Future for NextRequest<'_, Io> {
    type Output = Result<Option<Request>, ConnectionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.connection.poll_request(cx, false);
        if request.is_pending() && this.drained.poll(cx).is_ready() {
            return this.connection.poll_request(cx, true);
        }
        request
    }
}

/// A reply, and until when it has to be taken.
pub(super) struct Reply<'a, Io> {
    pub(super) connection: &'a mut Connection<Io>,
    pub(super) wire: BytesMut,
    pub(super) until: Option<Instant>,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Future for Reply<'_, Io> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut rest = &*this.wire;
        let written = this
            .connection
            .poll_write_within(&mut rest, &mut this.until, cx);
        let taken = this.wire.len() - rest.len();
        this.wire.advance(taken);
        written
    }
}

impl<Io> Drop for Reply<'_, Io> {
    fn drop(&mut self) {
        buffers::take_back(mem::take(&mut self.wire));
    }
}
