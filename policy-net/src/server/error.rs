//! The errors that end a connection, and their level in the log.

use std::{error::Error, io, time::Duration};

use policy_flow::ClientError;
use thiserror::Error;

use super::Peer;

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
    Handler(#[source] Box<dyn Error + Send + Sync>),
    /// The handler had no answer within [`ServeOptions::deadline`](crate::ServeOptions::deadline), which is this.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
}

impl ConnectionError {
    /// Logs it with `tracing`, with the peer and the cause, as [`serve`](crate::serve) does: for servers that call
    /// [`serve_connection`](crate::serve_connection) themselves.
    ///
    /// | what | level |
    /// | --- | --- |
    /// | a handler's error, and its deadline | `ERROR` |
    /// | what a client sent, or did not do in time; no memory for its request | `WARN` |
    /// | a connection that failed: its peer has gone | `DEBUG` |
    pub fn log(&self, peer: &Peer) {
        let connection = peer.connection();
        match self {
            Self::Handler(error) => {
                let error: &dyn Error = &**error;
                tracing::error!(%peer, connection, error, "no answer");
            }
            Self::Deadline(within) => {
                tracing::error!(%peer, connection, ?within, "no answer in time");
            }
            Self::Client(error) => {
                let error: &dyn Error = error;
                tracing::warn!(%peer, connection, error, "closing a connection");
            }
            Self::Io(error) => {
                let error: &dyn Error = error;
                tracing::debug!(%peer, connection, error, "connection failed");
            }
        }
    }
}
