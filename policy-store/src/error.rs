//! Errors of a call of a store, a database or a directory.

use std::{io, sync::Arc, time::Duration};

/// Why a call has no answer. It holds no password, and no value that was stored. What a server says of itself or of a
/// query is in it as it was said: a database may name a value of the query.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The deadline of the call has passed, or its caller gave up late. What was asked for may still be done.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The remote is away, and was not asked; see [`Breaker`](crate::Breaker).
    #[error("not asked, since it is away: {0}")]
    Away(Arc<str>),
    /// No connection, or the end of one.
    #[error("connection failed: {0}")]
    Connection(Arc<io::Error>),
    /// The remote answers, but says that it cannot serve: it starts, is locked, or is no primary.
    #[error("{0}")]
    NotServing(String),
    /// The remote refuses what was asked for.
    #[error("refused: {0}")]
    Refused(String),
    /// The remote refuses the user or the password.
    #[error("user or password refused: {0}")]
    Login(String),
    /// The answer is none that the question can have. The connection is closed.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// A key, a value or an answer is larger than its limit, in bytes, rows or elements.
    #[error("{size} {unit}, of which at most {limit} are allowed")]
    TooLarge {
        /// How many there are, or at least so many.
        size: usize,
        /// How many there may be.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// The value is no decimal number from 0 to 2^63-1.
    #[error("the value is no number")]
    NotANumber,
    /// The sum is above 2^63-1.
    #[error("the sum is too large")]
    Overflow,
    /// Others changed the value so often that this call never had its turn.
    #[error("the value was changed by others too often")]
    Contended,
}

impl StoreError {
    /// What the remote has failed with: now, or when it was asked last. For a message that says itself that it is away.
    pub fn reason(&self) -> Arc<str> {
        match self {
            Self::Away(reason) => Arc::clone(reason),
            failed => failed.to_string().into(),
        }
    }

    /// Whether the remote is to blame and not the question: such errors, in a row, have the breaker open.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Away(_)
            | Self::Connection(_)
            | Self::NotServing(_)
            | Self::Login(_)
            | Self::Protocol(_) => true,
            Self::Refused(_)
            | Self::TooLarge { .. }
            | Self::NotANumber
            | Self::Overflow
            | Self::Contended => false,
        }
    }

    /// The same with no more of what a server says than fits into a line of a log.
    pub(crate) fn shortened(mut self) -> Self {
        if let Self::NotServing(text)
        | Self::Refused(text)
        | Self::Login(text)
        | Self::Protocol(text) = &mut self
            && text.len() > MAX_TEXT
        {
            let mut ends = (0..=MAX_TEXT).rev();
            let end = ends.find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.push_str("...");
        }
        self
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Connection(Arc::new(error))
    }
}

/// As many bytes of a server's own words are kept.
const MAX_TEXT: usize = 500;
