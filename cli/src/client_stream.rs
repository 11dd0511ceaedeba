//! A client's socket that tells its slot when a request begins.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use policy_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{admission::Client, slot::SlotHandle};

#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(crate) io: Stream,
    pub(crate) slot: SlotHandle,
}

impl ClientStream {
    /// Who is at the other end, as the log names it.
    pub(crate) fn client(&self) -> Option<String> {
        // The system does not know any more who has reset a connection.
        let client = self.slot.client().or_else(|| Client::of(&self.io));
        client.map(|client| client.to_string())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.slot.begin();
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
