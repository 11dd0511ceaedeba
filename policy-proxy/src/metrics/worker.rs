//! The counters of one worker.

use policy_daemon::metrics::{Counter, RequestMetrics};

use crate::journal::Outcome;

/// What one worker counts. Only it writes here; lines of the processor's cache are its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerMetrics {
    pub(crate) requests: RequestMetrics,
    /// Requests that no service answered.
    pub(crate) unanswered: Counter,
    /// Requests that another service answered than the first that was asked.
    pub(crate) failed_over: Counter,
    /// Requests that are none for a policy server.
    pub(crate) unrecognized: Counter,
    pub(crate) clients: ClientMetrics,
}

/// Clients that were not served to their end.
#[derive(Debug, Default)]
pub(crate) struct ClientMetrics {
    /// They sent no request, or were too slow.
    pub(crate) refused: Counter,
    /// They lost their place to others.
    pub(crate) evicted: Counter,
    /// They got no place.
    pub(crate) turned_away: Counter,
}

impl WorkerMetrics {
    /// A request has come that is none for a policy server.
    pub(crate) fn unrecognized(&self) {
        self.unrecognized.add(1);
    }

    /// A request has its outcome; `is_unanswered` where it was for the services, and none answered.
    #[inline]
    pub(crate) fn replied(&self, outcome: &Outcome<'_>, is_unanswered: bool) {
        self.requests.replied(outcome.response, outcome.took);
        if is_unanswered {
            self.unanswered.add(1);
        } else if outcome.failed != 0 {
            self.failed_over.add(1);
        }
    }

    /// A client's connection was closed for what it did.
    pub(crate) fn client_refused(&self) {
        self.clients.refused.add(1);
    }

    /// A client has lost its place.
    pub(crate) fn client_evicted(&self) {
        self.clients.evicted.add(1);
    }

    /// A client has got no place.
    pub(crate) fn client_turned_away(&self) {
        self.clients.turned_away.add(1);
    }
}
