//! The admin listener of a service on tokio: the requests of all workers, and what the service adds.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::{
    admin::{Admin, Registry, Sample, Section},
    metrics::{Families, RequestMetrics},
};

/// What a service on tokio shows. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct TokioAdmin {
    workers: Arc<Mutex<Vec<Arc<RequestMetrics>>>>,
    pub(super) of_service: Option<Arc<dyn Admin>>,
}

impl TokioAdmin {
    /// The metrics of one more worker.
    pub(super) fn add_worker(&self) -> Arc<RequestMetrics> {
        let metrics = Arc::<RequestMetrics>::default();
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&metrics));
        metrics
    }

    /// The requests of all workers by the class of their action.
    pub(super) fn answers(&self) -> Section {
        let workers = self.workers();
        RequestMetrics::answers(workers.iter().map(|worker| &**worker))
    }

    fn workers(&self) -> Vec<Arc<RequestMetrics>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clone()
    }
}

impl Admin for TokioAdmin {
    fn families(&self, families: &mut Families<'_>) -> fmt::Result {
        let workers = self.workers();
        RequestMetrics::write(workers.iter().map(|worker| &**worker), families)?;
        match &self.of_service {
            Some(service) => service.families(families),
            None => Ok(()),
        }
    }

    fn register(&self, registry: &mut Registry) {
        if let Some(service) = &self.of_service {
            service.register(registry);
        }
    }

    fn prefix(&self) -> Option<&str> {
        self.of_service.as_ref()?.prefix()
    }

    fn version(&self) -> Option<&str> {
        self.of_service.as_ref()?.version()
    }

    fn sample(&self) -> Sample {
        let workers = self.workers();
        RequestMetrics::sample(workers.iter().map(|worker| &**worker))
    }

    fn sections(&self) -> Vec<Section> {
        let workers = self.workers();
        let mut sections = vec![RequestMetrics::section(
            workers.iter().map(|worker| &**worker),
        )];
        sections.extend(
            self.of_service
                .iter()
                .flat_map(|service| service.sections()),
        );
        sections
    }

    fn changes(&self) -> Vec<(SystemTime, String)> {
        let changes = self.of_service.as_ref();
        changes.map(|service| service.changes()).unwrap_or_default()
    }

    fn not_ready(&self) -> Option<String> {
        self.of_service.as_ref()?.not_ready()
    }
}
