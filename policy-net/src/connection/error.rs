//! Why a connection ends.

use std::io;

use policy_proto::DecodeError;
use thiserror::Error;

/// Why a client's connection has to end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The client sent something that is no request.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client began a request and did not finish it in time.
    #[error("request not finished in time")]
    TooSlow,
    /// Its request has waited for memory for as long as [`Patience::memory`](crate::Patience) allows.
    /// That is no fault of the client's.
    #[error("no memory for the request in time")]
    NoMemory,
    /// The handler had no answer.
    #[error("no answer")]
    Handler(#[source] crate::BoxError),
}
