//! A client's socket that tells its slot when a request begins, and an error where it is none.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use policy_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{admission::Client, foreign::Hello, slot::SlotHandle};

#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(crate) io: Stream,
    pub(crate) slot: SlotHandle,
    hello: Hello,
}

impl ClientStream {
    pub(crate) fn new(io: Stream, slot: SlotHandle) -> Self {
        let hello = Hello::default();
        Self { io, slot, hello }
    }

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
        let bytes = buf.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            self.slot.begin();
            self.hello.look(bytes).map_err(io::Error::other)?;
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
