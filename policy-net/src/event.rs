use std::time::Duration;

use policy_ha::{BackendId, Preference, Transition};
use policy_proto::Response;
use thiserror::Error;

use crate::AttemptError;

/// A request was answered, by one of an [`Upstream`](crate::Upstream)'s servers.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// By whom.
    pub backend: BackendId,
    /// The answer.
    pub response: Response,
    /// What the next request of the same message is to ask with, if they are to be kept together:
    /// the one who answered, also if another should have. With [`Balance::Hash`](crate::Balance::Hash)
    /// that holds for requests of the same key, so that the recipients of a message go each where
    /// they belong if they are in the key.
    pub stick: Preference,
}

/// No policy server answered within the deadline.
#[derive(Debug, Error)]
#[error("no policy server answered, {} asked", attempts.len())]
#[non_exhaustive]
pub struct Exhausted {
    /// Who was asked, in order, and what came of it.
    pub attempts: Vec<(BackendId, AttemptError)>,
}

/// Why a service did not pass a [check](crate::Check).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no connection, or no answer.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The probe was answered with this action.
    #[error("the probe was answered with another action")]
    Unexpected(Response),
}

impl CheckError {
    pub(crate) fn blames_server(&self) -> bool {
        match self {
            Self::Attempt(error) => error.blames_server(),
            Self::Unexpected(_) => true,
        }
    }
}

/// What happens on the way to an answer, for logs and counters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A new connection is about to be opened.
    Opening(BackendId),
    /// It has been opened.
    Connected(BackendId),
    /// An attempt ended with an answer.
    Answered {
        /// Who answered.
        backend: BackendId,
        /// What.
        response: &'a Response,
        /// How long the attempt took.
        took: Duration,
    },
    /// An attempt failed.
    Failed {
        /// Who was asked.
        backend: BackendId,
        /// Why it failed.
        error: &'a AttemptError,
        /// How long the attempt took.
        took: Duration,
    },
    /// A server that is down was looked at, by [`Upstream::check`](crate::Upstream::check).
    Checked {
        /// Which.
        backend: BackendId,
        /// Why it did not pass, if it did not.
        error: Option<&'a CheckError>,
        /// How long that took.
        took: Duration,
    },
    /// A server went down or came back.
    Changed {
        /// Which.
        backend: BackendId,
        /// How.
        transition: Transition,
        /// Why, if it went down.
        because: Option<&'a AttemptError>,
    },
}
