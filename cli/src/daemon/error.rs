//! Why a daemon does not start, and with which exit status.

use std::{error::Error as _, io};

use thiserror::Error;

use crate::{args::InvalidProbe, daemon::listen::address::InvalidListen};

/// Why a daemon does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A `--listen` that cannot be read.
    #[error("--listen {0}")]
    Listen(String, #[source] InvalidListen),
    /// A listener that other machines can reach, without `--allow`.
    #[error(
        "{0} is not on loopback: --allow NET[,NET] must say which clients it is for (a policy port \
         that is open to all tells strangers who mails whom, and lets them fill greylists and quotas)"
    )]
    Exposed(String),
    /// Services that are invalid, or none.
    #[error("{0}")]
    Services(String),
    /// A `--probe` that holds no request.
    #[error("--probe {0}")]
    Probe(String, #[source] InvalidProbe),
    /// A `--user` that does not exist.
    #[error("--user {0}: unknown user or group")]
    User(String),
    /// A `--handover` at a path that others can change.
    #[error(
        "--handover {0}: {1}: who can change a directory on the way to it could take the daemon's place"
    )]
    Handover(String, String),
    /// A socket that cannot be bound, or a user that it cannot run as.
    #[error("{0}")]
    System(String, #[source] io::Error),
}

impl StartError {
    /// The exit status of sysexits(3): 78 for the configuration, 71 for the system.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Listen(..)
            | Self::Exposed(_)
            | Self::Services(_)
            | Self::Probe(..)
            | Self::Handover(..)
            | Self::User(_) => 78,
            Self::System(..) => 71,
        }
    }

    /// The whole of it, with its cause.
    #[must_use]
    pub fn line(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// A worker has ended before its time. What it has said is in the log.
    pub(crate) fn worker_failed() -> Self {
        Self::System(
            "stopped".to_owned(),
            io::Error::other("a worker has failed"),
        )
    }

    /// An error of the system's, and what it kept from being done.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System(what, error)
    }
}
