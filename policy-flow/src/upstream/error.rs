//! The reasons why a backend gave no answer.

use std::io;

use bytes::Bytes;
use policy_proto::{DecodeError, Response};
use thiserror::Error;

use super::TimedOut;

/// Why a backend gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// No connection could be opened, or the name has no address.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// This side has run out of descriptors, threads or memory.
    #[error("cannot connect")]
    Local(#[source] io::Error),
    /// The same, while the backend was asked.
    #[error("connection failed")]
    LocalIo(#[source] io::Error),
    /// The connection failed before an answer.
    #[error("connection failed")]
    Io(#[source] io::Error),
    /// The backend closed the connection before it sent a byte of an answer.
    #[error("connection closed without an answer")]
    Closed,
    /// The backend sent something that is no answer.
    #[error("invalid answer")]
    Invalid {
        /// What is wrong with it.
        #[source]
        error: DecodeError,
        /// The line that is wrong, or what came of it, or the first line of an answer without an action; at most 512
        /// bytes, for the log.
        line: Bytes,
    },
    /// The backend answered with an action that it may not answer with
    /// ([`BackendConfig::accepts`](crate::BackendConfig::accepts)). The connection can be used on.
    #[error("answer not allowed")]
    NotAllowed {
        /// The action; at most its first 512 bytes, for the log.
        action: Bytes,
    },
    /// The time for connecting or for the whole attempt was over.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// All connections that this backend may have are in use, and stayed so, or for so long that less than half of the
    /// time was left for an answer, which did not come.
    #[error("too many requests under way")]
    Busy,
    /// As many connections as may be opened at once are being opened, and none of them was open in time.
    #[error("connections are still being opened")]
    Opening,
    /// A kept connection was closed before it brought an answer, and less than half of the time was left for a new one,
    /// which brought none.
    #[error("a kept connection was closed, too late for a new one")]
    ClosedLate,
    /// This process stood still for a quarter of the attempt at least: it was stopped, or got no processor. It is known
    /// by a timer that rings more than 100 ms late.
    #[error("this process stood still")]
    StoodStill,
    /// The time was over while its answer, of more than 1 KiB, waited for memory.
    #[error("no memory for the answer in time")]
    NoMemory,
}

impl AttemptError {
    /// Whether the failure tells something about the backend. It does not where this side has run out of connections,
    /// descriptors, threads or memory, or stood still.
    ///
    /// ```
    /// use policy_flow::{AttemptError, TimedOut};
    ///
    /// assert!(AttemptError::TimedOut(TimedOut::Connect(None)).blames_backend());
    /// assert!(AttemptError::Closed.blames_backend());
    /// assert!(!AttemptError::Busy.blames_backend());
    /// assert!(!AttemptError::Opening.blames_backend());
    /// assert!(!AttemptError::NoMemory.blames_backend());
    /// assert!(!AttemptError::Local(std::io::Error::other("no descriptor is left")).blames_backend());
    /// ```
    #[must_use]
    pub const fn blames_backend(&self) -> bool {
        !matches!(
            self,
            Self::Busy
                | Self::Opening
                | Self::ClosedLate
                | Self::StoodStill
                | Self::NoMemory
                | Self::Local(_)
                | Self::LocalIo(_)
        )
    }

    /// Whether the backend ended the connection instead of an answer, as one does that the request has killed.
    pub(crate) const fn is_end(&self) -> bool {
        matches!(self, Self::Closed | Self::Io(_))
    }

    /// This answer is none that its backend may give.
    pub(crate) fn not_allowed(answer: &Response) -> Self {
        Self::NotAllowed {
            action: shown(answer.as_bytes()),
        }
    }

    /// These bytes of an answer are none.
    pub(crate) fn invalid(error: DecodeError, bytes: &[u8]) -> Self {
        // Where an action is missing, what came in its place says more than the blank line after it.
        let offset = match error {
            DecodeError::NoAction { .. } => 0,
            error => error.offset().unwrap_or(0),
        };
        let rest = bytes.get(offset..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Self::Invalid {
            error,
            line: shown(line),
        }
    }
}

/// An error of the system is the same number again, another one the same kind with the same text.
impl Clone for AttemptError {
    fn clone(&self) -> Self {
        match self {
            Self::Connect(error) => Self::Connect(again(error)),
            Self::Local(error) => Self::Local(again(error)),
            Self::LocalIo(error) => Self::LocalIo(again(error)),
            Self::Io(error) => Self::Io(again(error)),
            Self::Closed => Self::Closed,
            Self::Invalid { error, line } => Self::Invalid {
                error: *error,
                line: line.clone(),
            },
            Self::NotAllowed { action } => Self::NotAllowed {
                action: action.clone(),
            },
            Self::TimedOut(late) => Self::TimedOut(late.clone()),
            Self::Busy => Self::Busy,
            Self::Opening => Self::Opening,
            Self::ClosedLate => Self::ClosedLate,
            Self::StoodStill => Self::StoodStill,
            Self::NoMemory => Self::NoMemory,
        }
    }
}

/// The same error once more.
pub(super) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// As much as is shown of what a backend has sent.
fn shown(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&text[..text.len().min(MAX_SHOWN)])
}

/// As much as a line of a log has room for beside the rest.
const MAX_SHOWN: usize = 512;
