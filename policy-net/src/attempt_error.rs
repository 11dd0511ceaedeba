//! Why a policy server gave no answer.

use std::io;

use bytes::Bytes;
use policy_proto::{DecodeError, Response};
use rustix::io::Errno;
use thiserror::Error;

use crate::{TimedOut, resolve::NoThread};

/// Why a policy server gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// No connection could be opened.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection failed before an answer.
    #[error("connection failed")]
    Io(#[source] io::Error),
    /// The server closed the connection before it sent a byte of an answer.
    #[error("connection closed without an answer")]
    Closed,
    /// The server sent something that is no answer.
    #[error("invalid answer")]
    Invalid {
        /// What is wrong with it.
        #[source]
        error: DecodeError,
        /// The line that is wrong, or what came of it, or the first line of an answer without an
        /// action; at most 512 bytes, for the log.
        line: Bytes,
    },
    /// The server answered with an action that it may not answer with
    /// ([`Service::accepts`](crate::Service::accepts)). The connection can be used on.
    #[error("answer not allowed")]
    NotAllowed {
        /// The action; at most its first 512 bytes, for the log.
        action: Bytes,
    },
    /// The time for connecting or for the whole attempt was over.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// All connections that this server may have are in use, and stayed so.
    #[error("too many requests under way")]
    Busy,
    /// The time was over while its answer, of more than 1 KiB, waited for memory of the
    /// [budget](crate::PoolOptions::memory).
    #[error("no memory for the answer in time")]
    NoMemory,
}

impl AttemptError {
    /// This answer is none that its server may give.
    pub(crate) fn not_allowed(answer: &Response) -> Self {
        Self::NotAllowed {
            action: Self::shown(answer.as_bytes()),
        }
    }

    /// As much as is shown of what a server has sent.
    pub(crate) fn shown(text: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&text[..text.len().min(MOST_SHOWN)])
    }

    /// Whether the failure tells something about the server. It does not where this side has run
    /// out of connections, descriptors, threads or memory.
    ///
    /// ```
    /// use policy_net::{AttemptError, TimedOut};
    /// use std::io;
    ///
    /// assert!(AttemptError::TimedOut(TimedOut::Connect(None)).blames_server());
    /// assert!(!AttemptError::Busy.blames_server());
    /// assert!(!AttemptError::NoMemory.blames_server());
    ///
    /// let refused = AttemptError::Connect(io::ErrorKind::ConnectionRefused.into());
    /// assert!(refused.blames_server());
    /// let too_many_open_files = || io::Error::from_raw_os_error(24);
    /// assert!(!AttemptError::Connect(too_many_open_files()).blames_server());
    /// assert!(!AttemptError::Io(too_many_open_files()).blames_server());
    /// assert!(AttemptError::Io(io::ErrorKind::BrokenPipe.into()).blames_server());
    /// ```
    #[must_use]
    pub fn blames_server(&self) -> bool {
        match self {
            Self::Busy | Self::NoMemory => false,
            Self::Connect(error) | Self::Io(error) => !is_ours(error),
            _ => true,
        }
    }
}

/// Whether this side has run out of something.
pub(crate) fn is_ours(error: &io::Error) -> bool {
    let is_ours = |errno: &Errno| error.raw_os_error() == Some(errno.raw_os_error());
    let no_thread = error.get_ref().is_some_and(|error| error.is::<NoThread>());
    OURS.iter().any(is_ours) || no_thread
}

/// Descriptors and memory. Each of them is about this process or this machine.
const OURS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

/// As much as a line of a log has room for beside the rest.
const MOST_SHOWN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_side_has_run_out_of_blames_no_server() {
        for errno in OURS {
            let error = || io::Error::from(errno);
            assert!(!AttemptError::Connect(error()).blames_server(), "{errno}");
            assert!(!AttemptError::Io(error()).blames_server(), "{errno}");
        }
        let error = NoThread::error("policy.example", io::Error::from(Errno::AGAIN));
        assert_eq!(
            error.to_string(),
            "no thread to look up 'policy.example': Resource temporarily unavailable (os error 11)"
        );
        assert!(!AttemptError::Connect(error).blames_server());
        for errno in [
            Errno::CONNREFUSED,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::HOSTUNREACH,
        ] {
            assert!(
                AttemptError::Connect(errno.into()).blames_server(),
                "{errno}"
            );
        }
    }
}
