//! Sending the reply to a request.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use policy_flow::ClientId;
use policy_proto::Response;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{connection::Connection, registration::State, wire::Driver};

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// Sends a reply to the request that came last.
    ///
    /// # Errors
    ///
    /// The connection failed, or the client does not take the reply ([`io::ErrorKind::TimedOut`]).
    /// Nothing else is to be sent then. [`io::ErrorKind::InvalidInput`] if there is no request that has not been
    /// replied to.
    ///
    /// It is cancel safe: when the returned future is dropped before its end, the rest is sent by the next call of
    /// [`request`](Self::request).
    pub async fn reply(&mut self, response: &Response) -> io::Result<()> {
        let send = |flow: &mut policy_flow::Clients, client, driver: &mut Driver<'_, '_, Io>| {
            flow.reply(client, response, driver);
        };
        self.respond(send).await
    }

    /// Sends bytes as they are. Postfix takes whatever is not a reply to its request for a failure.
    ///
    /// # Errors
    ///
    /// As for [`reply`](Self::reply).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let send = |flow: &mut policy_flow::Clients, client, driver: &mut Driver<'_, '_, Io>| {
            flow.reply_with(client, bytes, driver);
        };
        self.respond(send).await
    }

    async fn respond(
        &mut self,
        send: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) -> io::Result<()> {
        let mut send = Some(send);
        poll_fn(|cx| {
            let Some(send) = send.take() else {
                return self.poll_rest(cx);
            };
            self.wire.is_replying = false;
            self.call(cx, send);
            match (self.wire.error.take(), self.wire.is_replying) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, true) => self.poll_rest(cx),
                (None, false) => Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            }
        })
        .await
    }

    /// Sends what is left of a reply.
    pub(super) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.wire.is_unsent {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(written) = self.wire.poll_write(cx) {
            match written {
                Ok(()) => self.call(cx, |flow, client, driver| flow.flushed(client, driver)),
                Err(error) => {
                    self.registration.leave();
                    return Poll::Ready(Err(error));
                }
            }
            return Poll::Ready(Ok(()));
        }
        match self.registration.look(cx) {
            State::Open { .. } => Poll::Pending,
            State::Ended(_) | State::Over => {
                self.wire.is_unsent = false;
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}
