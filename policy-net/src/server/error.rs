//! Why a connection ends.

use std::io;

use policy_flow::ClientError;
use thiserror::Error;

/// Why a client's connection has to end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// For what its client did, or since there was no memory for its request.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The handler had no answer.
    #[error("no answer")]
    Handler(#[source] crate::BoxError),
}
