//! A request without an answer: the reason, in words.

use std::{io, time::Duration};

use bytes::Bytes;
use thiserror::Error;

use crate::answer::{Fault, shown};

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// No connection could be opened.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The connection failed before an answer, or after this beginning of a line.
    #[error("connection failed{}: {error}", begun(.line))]
    Connection {
        /// Of the system.
        error: io::Error,
        /// Of the answer.
        line: Bytes,
    },
    /// The server closed the connection before a byte of an answer.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// It closed the connection after this beginning of a line.
    #[error("the server closed the connection {}", within(.0))]
    Half(Bytes),
    /// What came is no answer.
    #[error("invalid answer: {0}")]
    Invalid(Fault),
    /// There was a connection, but no whole answer in time: only this beginning of its last line, or nothing.
    #[error("timed out after {after:?}{}", begun(.line))]
    TimedOut {
        /// So long was waited.
        after: Duration,
        /// Of the answer.
        line: Bytes,
    },
}

fn begun(line: &[u8]) -> String {
    if line.is_empty() {
        String::new()
    } else {
        format!(" {}", within(line))
    }
}

/// The place in an answer, after this beginning of its last line.
pub(crate) fn within(line: &[u8]) -> String {
    let why = if line == b"\r\n" {
        ", which is no empty line to Postfix"
    } else {
        ""
    };
    format!("within an answer, after '{}'{why}", shown(line))
}
