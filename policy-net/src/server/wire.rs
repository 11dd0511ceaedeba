//! The wire of a connection: what it sends and has received, and the driver of the state machine for it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use policy_flow::{ClientDriver, ClientEvent, ClientId, Sent};
use policy_proto::{Request, SkippedLines};
use tokio::io::AsyncWrite;

use super::clients::Entries;

/// The bytes that a connection sends and has received.
#[derive(Debug)]
pub(super) struct Wire<Io> {
    pub(super) io: Io,
    /// The rest of a reply.
    pub(super) rest: BytesMut,
    /// It has failed.
    pub(super) error: Option<io::Error>,
    /// The state machine has begun a reply.
    pub(super) is_replying: bool,
    /// It has not been taken whole.
    pub(super) is_unsent: bool,
    /// The next request, if it has come whole.
    pub(super) request: Option<Request>,
    pub(super) ignored: SkippedLines,
    /// The client will send no more. It may still wait for a reply.
    pub(super) ended: bool,
}

impl<Io> Wire<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            rest: BytesMut::new(),
            error: None,
            is_replying: false,
            is_unsent: false,
            request: None,
            ignored: SkippedLines::default(),
            ended: false,
        }
    }

    fn fail(&mut self, error: io::Error) -> io::Result<Sent> {
        let kind = error.kind();
        self.is_unsent = false;
        self.error = Some(error);
        Err(kind.into())
    }
}

impl<Io: AsyncWrite + Unpin> Wire<Io> {
    /// Ready when all of a reply has been taken, or the connection has failed.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.rest.advance(written),
            }
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_unsent = false;
        Poll::Ready(Ok(()))
    }
}

/// The driver of the state machine for this connection's task.
pub(super) struct Driver<'a, 'b, Io> {
    /// The client at the other end.
    pub(super) client: ClientId,
    pub(super) wire: &'a mut Wire<Io>,
    pub(super) cx: &'a mut Context<'b>,
    pub(super) entries: &'a mut Entries,
}

impl<Io: AsyncWrite + Unpin> ClientDriver for Driver<'_, '_, Io> {
    /// It is this connection's: others get their replies by their own tasks.
    fn send_client(&mut self, _: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        let wire = &mut *self.wire;
        wire.is_replying = true;
        wire.is_unsent = true;
        let mut bytes = bytes;
        while let [_, ..] = bytes {
            match Pin::new(&mut wire.io).poll_write(self.cx, bytes) {
                Poll::Ready(Ok(0)) => return wire.fail(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => bytes = bytes.get(written..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return wire.fail(error),
                Poll::Pending => break,
            }
        }
        wire.rest.extend_from_slice(bytes);
        match wire.poll_write(self.cx) {
            Poll::Ready(Ok(())) => Ok(Sent::All),
            Poll::Ready(Err(error)) => wire.fail(error),
            Poll::Pending => Ok(Sent::Part),
        }
    }

    fn close_client(&mut self, client: ClientId) {
        self.entries.close_client(client);
    }

    fn leave_client(&mut self, client: ClientId) {
        self.entries.leave_client(client);
    }

    /// This connection's own task is at work, and goes on by itself.
    fn resume_client(&mut self, client: ClientId) {
        if client != self.client {
            self.entries.resume_client(client);
        }
    }

    fn has_bytes(&mut self, client: ClientId) -> bool {
        self.entries.has_bytes(client)
    }

    fn client_event(&mut self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::SkippedLines(new) => {
                let ignored = &mut self.wire.ignored;
                let room = SkippedLines::MAX_LINES.saturating_sub(ignored.lines.len());
                let kept = new.lines.iter().take(room);
                ignored.lines.extend(kept.cloned());
                ignored.more += new.more + new.lines.len().saturating_sub(room) as u64;
            }
            event => self.entries.client_event(event),
        }
    }
}
