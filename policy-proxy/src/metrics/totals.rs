//! Sums over all workers, for one who asks now.

use std::sync::Arc;

use policy_daemon::metrics::{Durations, Histogram};

use crate::metrics::{Failure, ServiceMetrics};

/// The attempts at one service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTotals {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) took: Histogram,
}

impl ServiceTotals {
    /// Those that all workers have counted of a service.
    pub(crate) fn of(workers: &[Arc<ServiceMetrics>]) -> Self {
        let services = || workers.iter().map(Arc::as_ref);
        let failed = services().flat_map(|service| Failure::ALL.map(|kind| service.failed(kind)));
        Self {
            answered: services().map(|service| service.answered.get()).sum(),
            failed: failed.sum(),
            took: Durations::sum(services().map(|service| &service.took)),
        }
    }
}
