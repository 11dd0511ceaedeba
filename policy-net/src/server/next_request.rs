//! The future that waits for the next request of a connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use policy_proto::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{connection::Connection, error::ConnectionError};

pin_project! {
    /// What an idle connection waits for. An async block would do the same, but be larger.
    pub(super) struct NextRequest<'a, Io, D> {
        pub(super) connection: &'a mut Connection<Io>,
        #[pin]
        pub(super) drain: D,
        pub(super) is_drained: bool,
    }
}

impl<Io, D> Future for NextRequest<'_, Io, D>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    type Output = Result<Option<Request>, ConnectionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.connection.poll_request(cx, *this.is_drained);
        // Of a request that has begun the rest is waited for, whatever `drain` says: it is only asked while
        // the connection is idle, which is what it may want to know.
        if request.is_ready() || *this.is_drained || !this.connection.is_idle() {
            return request;
        }
        *this.is_drained = this.drain.poll(cx).is_ready();
        if *this.is_drained {
            this.connection.poll_request(cx, true)
        } else {
            Poll::Pending
        }
    }
}
