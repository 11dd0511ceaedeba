//! The counters of a service, of one worker.

use std::{sync::Arc, time::Duration};

use policy_flow::{Event, Slot};
use policy_ha::Transition;

use policy_daemon::metrics::{Counter, Durations};

use crate::metrics::failure::Failure;

/// What one worker counts of a service. Only it writes here.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ServiceMetrics {
    pub(crate) answered: Counter,
    pub(crate) took: Durations,
    failed: [Counter; Failure::ALL.len()],
    pub(crate) opened: Counter,
    pub(crate) went_down: Counter,
    /// Looks at the service while it was down, which it did not pass.
    pub(crate) failed_checks: Counter,
}

/// What one worker counts of all its services, by their slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceTable(pub(crate) Vec<Arc<ServiceMetrics>>);

impl ServiceTable {
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

    fn service(&self, backend: Slot) -> Option<&ServiceMetrics> {
        self.0.get(backend.index()).map(Arc::as_ref)
    }
}

impl ServiceMetrics {
    pub(crate) fn failed(&self, failure: Failure) -> u64 {
        self.failed.get(failure as usize).map_or(0, Counter::get)
    }
}
