//! A request without an answer: the reason, in words.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use policy_net::AttemptError;
use policy_proto::DecodeError;
use thiserror::Error;

/// Why a request has no answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No connection could be opened.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The connection failed before an answer.
    #[error("connection failed: {0}")]
    Connection(io::Error),
    /// The server closed the connection before a byte of an answer.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// What came is no answer.
    #[error("{}", invalid(.error, .line))]
    Invalid { error: DecodeError, line: Bytes },
    /// There was a connection, but no answer in time.
    #[error("timed out after {0:?}")]
    TimedOut(Duration),
    /// This side could not ask.
    #[error("{}", with_cause(.0))]
    Here(AttemptError),
}

fn invalid(error: &DecodeError, line: &Bytes) -> String {
    if matches!(error, DecodeError::UnexpectedEnd) {
        return format!(
            "the server closed the connection within an answer, after '{}'",
            line.escape_ascii()
        );
    }
    format!("invalid answer: {error}: '{}'", line.escape_ascii())
}

fn with_cause(error: &AttemptError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
