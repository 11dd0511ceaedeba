//! The errors that keep a daemon from starting, and their exit statuses.

use std::{error::Error as _, io};

use thiserror::Error;

use crate::listen::address::InvalidListenAddr;

/// An error that keeps a daemon from starting, or ends it.
///
/// ```
/// use policy_daemon::StartError;
///
/// let error = StartError::Configuration("no service: give at least one with -s".to_owned());
/// assert_eq!(error.exit_status(), 78);
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A `--listen` or `--admin`, with its value, that cannot be read.
    #[error("{0}")]
    Listen(String, #[source] InvalidListenAddr),
    /// A listener that other machines can reach, without `--allow`.
    #[error(
        "{0} is not on loopback: --allow NET[,NET] must say which clients it is for (a policy port \
         that is open to all tells strangers who mails whom, and lets them fill greylists and quotas)"
    )]
    Exposed(String),
    /// A fault in the configuration of the service.
    #[error("{0}")]
    Configuration(String),
    /// A user or group that does not exist, with the option's name.
    #[error("{0}: unknown user or group")]
    User(String),
    /// A `--handover` at a path that other users can change.
    #[error(
        "--handover {0}: {1}: who can change a directory on the way to it could take the daemon's place"
    )]
    Handover(String, String),
    /// A failure of the system, such as a socket that cannot be bound.
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
            | Self::Configuration(_)
            | Self::Handover(..)
            | Self::User(_) => 78,
            Self::System(..) => 71,
        }
    }

    /// The error and its cause, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// An error of the system, and the work that it has stopped.
    pub fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System(what, error)
    }

    /// A worker has ended too early. The log has its error.
    pub(crate) fn worker_failed() -> Self {
        let error = io::Error::other("a worker has failed");
        Self::System("stopped".to_owned(), error)
    }
}
