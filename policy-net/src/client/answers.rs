//! A policy server's answers, as they are read from its connection.

use std::{
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use policy_proto::{DecodeError, Decoder, Limits, Response};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    AttemptError, MemoryBudget,
    memory::{Charge, Extra, Kind},
    read_buffer::{ReadBuffer, Room},
};

#[derive(Debug)]
pub(super) struct Answers {
    buf: ReadBuffer,
    decoder: Decoder,
    limits: Limits,
    pub(super) memory: Option<MemoryBudget>,
    /// For a large buffer.
    extra: Extra,
}

impl Answers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            buf: ReadBuffer::default(),
            decoder: Decoder::new().with_limits(limits),
            limits,
            memory: None,
            extra: Extra::None,
        }
    }

    /// The next answer, if its line has come.
    pub(super) fn decode(&mut self) -> Result<Option<Response>, AttemptError> {
        if self.buf.bytes.is_empty() {
            return Ok(None);
        }
        // The line at fault is found by its offset, since the buffer still holds the whole message.
        let response = self.decoder.response(&mut self.buf.bytes);
        let response = response.map_err(|error| self.invalid(error))?;
        Ok(response.map(|response| self.apart(response)))
    }

    /// Skips what is left of the last answer; whether it is complete.
    pub(super) fn skip_rest(&mut self) -> Result<bool, DecodeError> {
        self.decoder.skip_rest(&mut self.buf.bytes)
    }

    /// Whether nothing has come behind an answer that is complete.
    pub(super) fn is_done(&mut self) -> bool {
        self.leave_large();
        self.buf.bytes.is_empty()
    }

    /// Whether it is memory that is waited for, and not the server.
    pub(super) const fn wait_for_memory(&self) -> bool {
        self.extra.waiting_since().is_some()
    }

    pub(super) fn invalid(&self, error: DecodeError) -> AttemptError {
        // Where an action is missing, what came in its place says more than the blank line behind it.
        let offset = match error {
            DecodeError::NoAction { .. } => 0,
            error => error.offset().unwrap_or(0),
        };
        let rest = self.buf.bytes.get(offset..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        AttemptError::Invalid {
            error,
            line: AttemptError::shown(line),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = Room {
            usual: USUAL,
            message: self.limits.message,
            memory: self.memory.as_ref(),
            kind: Kind::LargeAnswer,
        };
        ready!(self.buf.poll_room(&room, &mut self.extra, cx));
        pin!(io.read_buf(&mut self.buf.bytes)).poll(cx)
    }

    /// The same in memory of its own, which is counted until it is dropped, if it came in a large buffer.
    fn apart(&mut self, response: Response) -> Response {
        if !self.buf.is_beyond(USUAL) {
            return response;
        }
        let text = Bytes::copy_from_slice(response.as_bytes());
        let text = match self.extra.split(text.len()) {
            Some(charge) => Bytes::from_owner(Charged { text, charge }),
            None => text,
        };
        // It is the same text.
        let response = response.moved_to(text).unwrap_or(response);
        self.leave_large();
        response
    }

    fn leave_large(&mut self) {
        if self.buf.leave_large(USUAL).is_some() {
            self.extra = Extra::None;
        }
    }
}

/// The text of an answer, and the memory that it is.
struct Charged {
    text: Bytes,
    #[expect(dead_code, reason = "it is given back when it is dropped")]
    charge: Charge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// An answer is some twenty bytes.
const USUAL: usize = 1024;
