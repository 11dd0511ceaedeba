//! A connection that cuts, stalls and breaks off as its script says. It never stalls twice in a row:
//! whatever the script, it gets to its end.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) struct ScriptedIo<'a> {
    incoming: &'a [u8],
    /// What the peer has got.
    pub(crate) written: Vec<u8>,
    /// It ends with an error.
    pub(crate) breaks: bool,
    /// One byte for each read and write, over and over.
    script: [u8; 8],
    step: usize,
    stalled: bool,
}

impl<'a> ScriptedIo<'a> {
    pub(crate) fn new(incoming: &'a [u8], breaks: bool, script: [u8; 8]) -> Self {
        Self {
            incoming,
            written: Vec::new(),
            breaks,
            script,
            step: 0,
            stalled: false,
        }
    }

    /// How many bytes go through now.
    fn next(&mut self, context: &Context<'_>) -> Poll<usize> {
        let byte = self.script[self.step % self.script.len()];
        self.step += 1;
        self.stalled = byte & 1 != 0 && !self.stalled;
        if self.stalled {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(usize::from(byte >> 1) + 1)
    }
}

impl AsyncRead for ScriptedIo<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Poll::Ready(count) = self.next(context) else {
            return Poll::Pending;
        };
        if self.incoming.is_empty() && self.breaks {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = count.min(self.incoming.len()).min(buf.remaining());
        let (arrived, rest) = self.incoming.split_at(count);
        buf.put_slice(arrived);
        self.incoming = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ScriptedIo<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.next(context).map(|count| {
            let taken = &bytes[..count.min(bytes.len())];
            self.written.extend_from_slice(taken);
            Ok(taken.len())
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next(context).map(|_| Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs what only a [`ScriptedIo`] can stall: whatever stalls is asked again at once.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
