//! Sums over all workers, for one who asks now.

use policy_daemon::metrics::{Durations, Histogram, RequestMetrics};

use crate::{metrics::failure::Failure, proxy::Proxy};

/// The attempts at one service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTotals {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) took: Histogram,
}

impl ServiceTotals {
    /// Those of the service with this index.
    pub(crate) fn of(proxy: &Proxy, index: usize) -> Self {
        let services = || {
            let workers = proxy.service_metrics.get(index);
            workers.into_iter().flatten().map(|service| &**service)
        };
        let failed = services().flat_map(|service| Failure::ALL.map(|kind| service.failed(kind)));
        Self {
            answered: services().map(|service| service.answered.get()).sum(),
            failed: failed.sum(),
            took: Durations::sum(services().map(|service| &service.took)),
        }
    }
}

impl Proxy {
    /// The requests that were replied to.
    pub(crate) fn requests(&self) -> u64 {
        let workers = self.metrics.iter();
        RequestMetrics::sample(workers.map(|worker| &worker.requests)).requests
    }
}
