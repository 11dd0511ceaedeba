//! What one worker counts.

use std::time::Duration;

use policy_daemon::metrics::{Counter, Durations, RequestMetrics};
use policy_flow::{Event, Slot};
use policy_ha::Transition;

use crate::{journal::Outcome, metrics::failure::Failure};

/// What one worker counts. Only it writes here; lines of the processor's cache are its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct WorkerMetrics {
    pub(super) requests: RequestMetrics,
    /// Requests that no service answered.
    pub(super) unanswered: Counter,
    /// Requests that another service answered than the first that was asked.
    pub(super) failed_over: Counter,
    /// Requests that are none for a policy server.
    pub(super) unrecognized: Counter,
    pub(super) clients: ClientMetrics,
    pub(super) services: Box<[ServiceMetrics]>,
}

/// Clients that were not served to their end.
#[derive(Debug, Default)]
pub(crate) struct ClientMetrics {
    /// They sent no request, or were too slow.
    pub(super) refused: Counter,
    /// They lost their place to others.
    pub(super) evicted: Counter,
    /// They got no place.
    pub(super) turned_away: Counter,
}

/// What one worker counts of a service.
#[derive(Debug, Default)]
pub(crate) struct ServiceMetrics {
    pub(super) answered: Counter,
    pub(super) took: Durations,
    failed: [Counter; Failure::ALL.len()],
    pub(super) opened: Counter,
    pub(super) went_down: Counter,
    /// Looks at the service while it was down, which it did not pass.
    pub(super) failed_checks: Counter,
}

impl WorkerMetrics {
    /// Those of a worker that knows so many services.
    pub(crate) fn new(services: usize) -> Self {
        Self {
            requests: RequestMetrics::default(),
            unanswered: Counter::default(),
            failed_over: Counter::default(),
            unrecognized: Counter::default(),
            clients: ClientMetrics::default(),
            services: (0..services).map(|_| ServiceMetrics::default()).collect(),
        }
    }

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

    /// Something happened to a service.
    #[inline]
    pub(crate) fn event(&self, event: &Event<'_>) {
        if let Event::Answered { backend, took, .. } = event {
            if let Some(service) = self.service(*backend) {
                service.answered.add(1);
                service.took.add(*took);
            }
        } else {
            self.rare_event(event);
        }
    }

    #[cold]
    fn rare_event(&self, event: &Event<'_>) {
        let count = |backend: Slot, counter: fn(&ServiceMetrics) -> &Counter| {
            if let Some(service) = self.service(backend) {
                counter(service).add(1);
            }
        };
        match event {
            Event::Connected(backend) => count(*backend, |service| &service.opened),
            Event::Failed {
                backend,
                error,
                took,
                ..
            } => self.failed(*backend, Failure::of(error), *took),
            Event::Checked {
                backend,
                error: Some(_),
                ..
            } => count(*backend, |service| &service.failed_checks),
            Event::Changed {
                backend,
                transition: Transition::Down { .. },
                ..
            } => count(*backend, |service| &service.went_down),
            _ => {}
        }
    }

    fn failed(&self, backend: Slot, failure: Failure, took: Duration) {
        if let Some(service) = self.service(backend) {
            if let Some(count) = service.failed.get(failure as usize) {
                count.add(1);
            }
            service.took.add(took);
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

    fn service(&self, backend: Slot) -> Option<&ServiceMetrics> {
        self.services.get(backend.index())
    }
}

impl ServiceMetrics {
    pub(super) fn failed(&self, failure: Failure) -> u64 {
        self.failed.get(failure as usize).map_or(0, Counter::get)
    }
}
