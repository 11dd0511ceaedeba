//! The reasons why a server gave no answer.

use std::io;

use thiserror::Error;

use super::{super::Outcome, message::DecodeError};

/// Why a server gave no answer.
#[derive(Debug, Error)]
pub(super) enum TransportError {
    #[error("no connection")]
    Io(#[from] io::Error),
    #[error("not readable")]
    Decode(#[from] DecodeError),
}

impl TransportError {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Io(_) => Outcome::Unreachable,
            Self::Decode(_) => Outcome::Failed(FORMERR),
        }
    }
}

const FORMERR: u16 = 1;
