//! The proxy, which all workers share: each makes a state machine of its own from it.

use std::{sync::Arc, time::Instant};

use policy_flow::{
    BackendConfig, Check, ClientOptions, Clients, Flow, FlowOptions, Places, RequestMemory, Shared,
    Upstream, UpstreamOptions,
};

use crate::{
    args::DefaultAction,
    journal::{Journal, State, shortage::MemoryWaits},
    metrics::{ServiceMetrics, ServiceTable, WorkerMetrics},
    proxy::links::Backends,
};

/// The proxy, which all workers share.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub(crate) default: DefaultAction,
    pub(crate) journal: Arc<Journal>,
    pub(crate) settings: Settings,
    /// How services that are down are looked at, with `--health-check`.
    pub(crate) check: Option<Check>,
    /// The memory that requests and answers may take, for the log.
    pub(crate) max_memory: usize,
    /// The health of the services; `None` where no valid one was given.
    pub(crate) shared: Option<Shared>,
    pub(crate) backends: Arc<Backends>,
    /// The places for clients, of all workers together.
    pub(crate) places: Places,
    /// The memory for requests in progress.
    pub(crate) memory: RequestMemory,
    /// For each worker: requests that wait for memory.
    pub(crate) memory_waits: Arc<[MemoryWaits]>,
    /// For each worker: what it counts.
    pub(crate) metrics: Vec<Arc<WorkerMetrics>>,
    /// For each service, in the order of the settings: what each worker counts of it.
    pub(crate) service_metrics: Vec<Vec<Arc<ServiceMetrics>>>,
}

/// The options for clients and services.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) affinity: bool,
    /// Requests are answered whatever they look like.
    pub(crate) is_lenient: bool,
    pub(crate) clients: ClientOptions,
    pub(crate) upstream: UpstreamOptions,
    /// In the order of the command line.
    pub(crate) services: Vec<BackendConfig>,
}

impl Proxy {
    /// The state machine of this worker, counted from 0.
    pub(crate) fn flow(&self, worker: usize) -> Flow {
        let now = Instant::now();
        let options = self.flow_options();
        let mut clients = self.settings.clients;
        clients.lenient = self.settings.is_lenient;
        let upstream = self.shared.as_ref().map(|shared| {
            let options = self.settings.upstream.clone();
            let services = self.settings.services.iter().cloned();
            Upstream::new(now, options, services, shared, worker)
        });
        let clients =
            Clients::new(now, clients, self.places.clone()).with_memory(self.memory.clone());
        Flow::new(options, clients, upstream)
    }

    /// The rules for requests.
    pub(crate) fn flow_options(&self) -> FlowOptions {
        let mut options = FlowOptions::default();
        options.affinity = self.settings.affinity;
        options.strict = !self.settings.is_lenient;
        options.default = match &self.default {
            DefaultAction::Reply(response) => Some(response.clone()),
            DefaultAction::Close => None,
        };
        options
    }

    /// What this worker counts of the services, in the order of the settings.
    pub(crate) fn services_of(&self, worker: usize) -> ServiceTable {
        let of_worker = |service: &Vec<Arc<ServiceMetrics>>| {
            service.get(worker).map(Arc::clone).unwrap_or_default()
        };
        ServiceTable(self.service_metrics.iter().map(of_worker).collect())
    }

    /// What this worker counts.
    pub(crate) fn worker_metrics(&self, worker: usize) -> Arc<WorkerMetrics> {
        let metrics = self.metrics.get(worker).map(Arc::clone);
        metrics.unwrap_or_default()
    }

    /// The services as they are now.
    pub(crate) fn states(&self) -> Vec<State> {
        let Some(shared) = &self.shared else {
            return Vec::new();
        };
        let balancer = shared.balancer();
        let state = |id| State {
            mode: balancer.mode(id),
            status: balancer.status(id),
            counts: shared.counts(id),
            weight: balancer.weight(id),
            connections: shared.open(id),
        };
        balancer.ids().map(state).collect()
    }
}
