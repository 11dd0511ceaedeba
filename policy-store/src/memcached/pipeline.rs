//! The calls that are under way over one connection: their commands go out in order, and their replies come in order. No I/O.

use std::{collections::VecDeque, io, mem, sync::Arc};

use bytes::{Buf as _, BytesMut};
use tokio::sync::oneshot;

use super::{
    commands::Commands,
    replies::{Parsed, Reply, parse},
};
use crate::StoreError;

/// How much is read at a time.
const CHUNK: usize = 16 << 10;

/// How many bytes wait to be sent before another call has to wait.
const MAX_TO_SEND: usize = 64 << 10;

/// How many calls wait for replies before another call has to wait: as many as a busy mail server has clients.
const MAX_CALLS: usize = 1024;

/// A call: what it asks, and who waits for the replies.
#[derive(Debug)]
pub(super) struct Call {
    commands: Arc<Commands>,
    /// Replies so far, or the first error among them.
    replies: Result<Vec<Reply>, StoreError>,
    /// How many have come, errors included.
    count: usize,
    answer: oneshot::Sender<Result<Vec<Reply>, Failed>>,
}

/// Why a call has no replies.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// Nothing was sent, or the server closed an unused connection: the command was not done, or is forgotten.
    pub(super) is_unanswered: bool,
}

impl Failed {
    /// The server has closed the connection.
    pub(super) fn closed() -> Self {
        Self {
            error: closed(),
            is_unanswered: true,
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self {
            error,
            is_unanswered: false,
        }
    }
}

impl Call {
    pub(super) fn new(
        commands: Arc<Commands>,
        answer: oneshot::Sender<Result<Vec<Reply>, Failed>>,
    ) -> Self {
        Self {
            commands,
            replies: Ok(Vec::with_capacity(3)),
            count: 0,
            answer,
        }
    }

    /// Whether nobody waits for the replies any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    /// Ends it with the word that nothing was sent.
    pub(super) fn not_sent(self) {
        _ = self.answer.send(Err(Failed::closed()));
    }

    fn add(&mut self, reply: Result<Reply, StoreError>) {
        self.count += 1;
        match (&mut self.replies, reply) {
            (Ok(replies), Ok(reply)) => replies.push(reply),
            (replies @ Ok(_), Err(error)) => *replies = Err(error),
            (Err(_), _) => {}
        }
    }

    /// Whether there is a reply to each command.
    fn is_whole(&self) -> bool {
        self.commands.expected(self.count).is_none()
    }

    /// Nobody may wait any more; then the replies are of no use to anybody.
    fn end(self) {
        _ = self.answer.send(self.replies.map_err(Failed::from));
    }
}

#[derive(Debug, Default)]
pub(super) struct Pipeline {
    calls: VecDeque<Call>,
    /// Whether the server has said anything since no call was under way.
    has_answered: bool,
    pub(super) to_send: BytesMut,
    /// Whether the server takes no more.
    is_cut: bool,
    received: BytesMut,
    /// How much of a value that is too large is still to come.
    to_skip: u64,
}

impl Pipeline {
    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.to_skip == 0
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_cut && self.to_send.len() < MAX_TO_SEND && self.calls.len() < MAX_CALLS
    }

    /// The server has closed, and its end of file comes after what it has said.
    pub(super) fn send_no_more(&mut self) {
        self.is_cut = true;
        self.to_send = BytesMut::new();
    }

    pub(super) fn begin(&mut self, call: Call) {
        if self.is_idle() {
            self.has_answered = false;
        }
        self.to_send.extend_from_slice(call.commands.bytes());
        self.calls.push_back(call);
    }

    /// Where what comes next is put.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        if self.received.is_empty() && self.received.capacity() > 4 * CHUNK {
            self.received = BytesMut::new();
        }
        self.received.reserve(CHUNK);
        &mut self.received
    }

    /// Gives the replies that have come to those who wait. After an error the connection is of no use.
    pub(super) fn answer(&mut self) -> Result<(), StoreError> {
        self.has_answered = true;
        loop {
            let skipped = self
                .received
                .len()
                .min(usize::try_from(self.to_skip).unwrap_or(usize::MAX));
            self.received.advance(skipped);
            self.to_skip -= skipped as u64;
            if self.to_skip > 0 {
                return Ok(());
            }
            let Some(call) = self.calls.front_mut() else {
                break;
            };
            if let Some(expected) = call.commands.expected(call.count) {
                let Some(Parsed { reply, length }) = parse(&self.received, expected)? else {
                    return Ok(());
                };
                call.add(reply);
                self.to_skip = length;
            }
            // Also before the rest of a value that is too large has come.
            if call.is_whole()
                && let Some(call) = self.calls.pop_front()
            {
                call.end();
            }
        }
        if !self.received.is_empty() {
            return Err(StoreError::Protocol("more than was asked for".into()));
        }
        Ok(())
    }

    /// The connection has ended: by the server, or by us after what it has sent. A server that had answered one call may have
    /// done what another asked.
    pub(super) fn fail(&mut self, error: &StoreError) {
        let is_closed = matches!(error, StoreError::Connection(_));
        let is_unanswered = is_closed && !self.has_answered;
        for call in mem::take(&mut self.calls) {
            _ = call.answer.send(Err(Failed {
                error: error.clone(),
                is_unanswered,
            }));
        }
    }
}

/// The server has closed the connection.
pub(super) fn closed() -> StoreError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

#[cfg(test)]
mod tests;
