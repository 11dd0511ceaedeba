//! The script of a stub: an answer, good or bad, and when.

use std::time::Duration;

/// What a stub does with one request.
#[derive(Clone, Debug)]
pub struct Script {
    pub reply: Reply,
    /// Time between the request and its answer.
    pub delay: Duration,
    /// Close the connection after the answer.
    pub close: bool,
    /// Wait for [`Stub::release`](super::Stub::release) before the answer.
    pub hold: bool,
}

/// The kinds of answer, good and bad. The first three take effect without a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Listens, but its queue is full: a SYN is lost. Takes effect at start and restart.
    Backlog,
    /// Closes as soon as it has accepted.
    CloseAtOnce,
    /// Sends these bytes on accepting, then this for each request.
    Banner(Vec<u8>, Box<Self>),
    /// These bytes, whatever they are.
    Bytes(Vec<u8>),
    /// What the function makes of the request's bytes.
    Call(fn(&[u8]) -> Vec<u8>),
    /// The kind of answer that the function chooses for the request's bytes.
    Choose(fn(&[u8]) -> Self),
    /// Reads the request and whatever follows, never answers.
    Hang,
    /// Closes after the request.
    CloseUnanswered,
    /// Sends these bytes, then a reset instead of an orderly end.
    Reset(Vec<u8>),
    /// One byte at a time, with this pause before each.
    Drip(Vec<u8>, Duration),
    /// These pieces, each in a write of its own, with this pause between.
    Pieces(Vec<Vec<u8>>, Duration),
    /// Endless bytes without a line feed, until the peer closes or 10 MB are sent.
    Flood,
}

impl Script {
    pub fn answer(action: &str) -> Self {
        Self::bytes(format!("action={action}\n\n"))
    }

    pub fn bytes(reply: impl Into<Vec<u8>>) -> Self {
        Self::reply(Reply::Bytes(reply.into()))
    }

    pub fn reply(reply: Reply) -> Self {
        Self {
            reply,
            delay: Duration::ZERO,
            close: false,
            hold: false,
        }
    }

    /// The answer comes after this time.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The connection is closed after the answer.
    pub fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    /// The answer waits for [`Stub::release`](super::Stub::release).
    pub fn held(self) -> Self {
        Self { hold: true, ..self }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::answer("dunno")
    }
}
