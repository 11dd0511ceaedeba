//! Events on the way to an answer, for logs and counters.

use std::time::Duration;

use policy_ha::Transition;
use policy_proto::{Request, Response};
use thiserror::Error;

use super::AttemptError;
use crate::{AskId, Slot};

/// A request was answered by a backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// By whom.
    pub backend: Slot,
    /// The answer.
    pub response: Response,
    /// What the next request of the same message is to ask with, if they are to be kept together.
    pub stick: Stick,
}

impl Answer {
    /// This answer of this backend's, for tests of what becomes of it.
    #[must_use]
    pub const fn new(backend: Slot, response: Response) -> Self {
        let stick = Stick {
            backend,
            group: 0,
            key: None,
        };
        Self {
            backend,
            response,
            stick,
        }
    }
}

/// Whom the next request of a message is to ask: who answered the last one. With
/// [`Strategy::Hash`](crate::Strategy::Hash) that holds for requests of the same key, so that the recipients of a
/// message go each where they belong if they are in the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stick {
    pub(crate) backend: Slot,
    /// The index of its group.
    pub(crate) group: u16,
    pub(crate) key: Option<u64>,
}

/// No backend answered within the deadline.
#[derive(Debug, Error)]
#[error("no policy server answered, {} asked", attempts.len())]
#[non_exhaustive]
pub struct Exhausted {
    /// Who was asked, in order, and what came of it.
    pub attempts: Vec<(Slot, AttemptError)>,
}

impl Exhausted {
    /// After these attempts, for tests of what becomes of it.
    #[must_use]
    pub const fn new(attempts: Vec<(Slot, AttemptError)>) -> Self {
        Self { attempts }
    }
}

/// A request has been worked on, or given up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Done {
    /// Which.
    pub ask: AskId,
    /// What its owner called it.
    pub owner: u64,
    /// The request.
    pub request: Request,
    /// What came of it.
    pub result: Result<Answer, Exhausted>,
    /// How long it took.
    pub took: Duration,
    /// A bit for each [`Slot`] below 64 that was asked and did not answer.
    pub failed: u64,
}

/// Why a backend did not pass a [check](crate::Check).
#[derive(Clone, Debug, Error)]
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
    pub(crate) const fn blames_backend(&self) -> bool {
        match self {
            Self::Attempt(error) => error.blames_backend(),
            Self::Unexpected(_) => true,
        }
    }
}

/// What happens on the way to an answer, for logs and counters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A new connection is about to be opened.
    Opening(Slot),
    /// It has been opened.
    Connected(Slot),
    /// An attempt ended with an answer.
    #[non_exhaustive]
    Answered {
        /// Who answered.
        backend: Slot,
        /// What was asked.
        request: &'a Request,
        /// Whose request it is.
        owner: u64,
        /// What.
        response: &'a Response,
        /// How long the attempt took.
        took: Duration,
    },
    /// An attempt failed.
    #[non_exhaustive]
    Failed {
        /// Who was asked.
        backend: Slot,
        /// What was asked.
        request: &'a Request,
        /// Whose request it is.
        owner: u64,
        /// Why it failed.
        error: &'a AttemptError,
        /// How long the attempt took.
        took: Duration,
    },
    /// A backend that is down was looked at.
    #[non_exhaustive]
    Checked {
        /// Which.
        backend: Slot,
        /// Why it did not pass, if it did not.
        error: Option<&'a CheckError>,
        /// How long that took.
        took: Duration,
    },
    /// A backend went down or came back.
    #[non_exhaustive]
    Changed {
        /// Which.
        backend: Slot,
        /// How.
        transition: Transition,
        /// Why, if it went down.
        because: Option<&'a AttemptError>,
    },
    /// Several backends closed the connection on the same request: it is to blame, and not they.
    #[non_exhaustive]
    Harmful {
        /// The request.
        request: &'a Request,
        /// A bit for each [`Slot`] below 64 that did so.
        backends: u64,
    },
    /// The backend takes fewer connections at once than it may have: others had to be closed before one was answered.
    #[non_exhaustive]
    Crowded {
        /// Which.
        backend: Slot,
        /// As many are opened without a wait for a while.
        limit: usize,
    },
    /// A look-up failed, and older addresses are used on.
    #[non_exhaustive]
    StaleAddresses {
        /// Whose.
        backend: Slot,
        /// Why.
        error: &'a std::io::Error,
    },
}
