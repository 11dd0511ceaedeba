//! Events on the way to an answer, for logs and counters.

use std::{io, time::Duration};

use policy_flow::{AttemptError, CheckError, Slot};
use policy_ha::Transition;
use policy_proto::Response;

/// An event on the way to an answer, for logs and counters. [`Upstream::ask`](crate::Upstream::ask) tells what
/// happens on the way of its request, [`Upstream::check`](crate::Upstream::check) the rest.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new connection is about to be opened.
    Opening(Slot),
    /// It has been opened.
    Connected(Slot),
    /// An attempt ended with an answer.
    #[non_exhaustive]
    Answered {
        /// The backend that answered.
        backend: Slot,
        /// The answer.
        response: Response,
        /// How long the attempt took.
        took: Duration,
    },
    /// An attempt failed.
    #[non_exhaustive]
    Failed {
        /// The backend that was asked.
        backend: Slot,
        /// Why it failed.
        error: AttemptError,
        /// How long the attempt took.
        took: Duration,
    },
    /// A backend that is down was looked at.
    #[non_exhaustive]
    Checked {
        /// Which.
        backend: Slot,
        /// Why it did not pass, if it did not.
        error: Option<CheckError>,
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
        because: Option<AttemptError>,
    },
    /// Several backends closed the connection on the same request: it is to blame, and not they.
    #[non_exhaustive]
    Harmful {
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
        /// The backend.
        backend: Slot,
        /// Why.
        error: io::Error,
    },
}

impl Event {
    /// A copy for a listener that is told of it later; `None` for an event that is told to nobody.
    pub(super) fn of(event: policy_flow::Event<'_>) -> Option<Self> {
        use policy_flow::Event as FlowEvent;

        Some(match event {
            FlowEvent::Opening(backend) => Self::Opening(backend),
            FlowEvent::Connected(backend) => Self::Connected(backend),
            FlowEvent::Answered {
                backend,
                response,
                took,
                ..
            } => Self::Answered {
                backend,
                response: response.clone(),
                took,
            },
            FlowEvent::Failed {
                backend,
                error,
                took,
                ..
            } => Self::Failed {
                backend,
                error: error.clone(),
                took,
            },
            FlowEvent::Checked {
                backend,
                error,
                took,
                ..
            } => Self::Checked {
                backend,
                error: error.cloned(),
                took,
            },
            FlowEvent::Changed {
                backend,
                transition,
                because,
                ..
            } => Self::Changed {
                backend,
                transition,
                because: because.cloned(),
            },
            FlowEvent::Harmful { backends, .. } => Self::Harmful { backends },
            FlowEvent::Crowded { backend, limit, .. } => Self::Crowded { backend, limit },
            FlowEvent::StaleAddresses { backend, error, .. } => Self::StaleAddresses {
                backend,
                error: io::Error::new(error.kind(), error.to_string()),
            },
            _ => return None,
        })
    }
}
