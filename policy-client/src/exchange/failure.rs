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
    /// More came than an answer may have, and no empty line that ends it; the beginning of the last line.
    #[error("an answer without an end: no empty line after '{}'", shown(.0))]
    Endless(Bytes),
    /// CR LF stands where the empty line should.
    #[error("the answer ends with CR LF, which is no empty line to Postfix")]
    NoEmptyLine,
    /// The action's line, which ends with CR LF, is none of an action that Postfix knows.
    #[error("the action ends with CR, which is a part of it to Postfix: '{}'", shown(.0))]
    CarriageReturn(Bytes),
    /// There was a connection, but no whole answer in time: only this beginning of its last line, or nothing.
    #[error("{}", timed_out(.after, .line))]
    TimedOut { after: Duration, line: Bytes },
    /// This side could not ask.
    #[error("{}", with_cause(.0))]
    Here(AttemptError),
}

fn timed_out(after: &Duration, line: &[u8]) -> String {
    if line.is_empty() {
        return format!("timed out after {after:?}");
    }
    let line = shown(line);
    format!("timed out after {after:?} within an answer, after '{line}'")
}

fn invalid(error: &DecodeError, line: &Bytes) -> String {
    if matches!(error, DecodeError::UnexpectedEnd) {
        return format!(
            "the server closed the connection within an answer, after '{}'",
            shown(line)
        );
    }
    format!("invalid answer: {error}: '{}'", shown(line))
}

/// A line of the server's, or its beginning.
pub(crate) fn shown(line: &[u8]) -> String {
    match line.get(..MAX_SHOWN) {
        Some(begin) if line.len() > MAX_SHOWN => format!("{}...", begin.escape_ascii()),
        _ => line.escape_ascii().to_string(),
    }
}

fn with_cause(error: &AttemptError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// As many bytes of a line are shown.
const MAX_SHOWN: usize = 100;
