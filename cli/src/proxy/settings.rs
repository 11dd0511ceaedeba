//! What answers requests, the same for all workers: each makes a state machine of its own from it.

use std::{sync::Arc, time::Instant};

use policy_flow::{
    BackendConfig, ClientOptions, Clients, Flow, FlowOptions, Places, RequestMemory, Shared,
    Upstream, UpstreamOptions,
};

use crate::{
    args::DefaultAction,
    journal::{Journal, State},
    proxy::links::Backends,
};

/// What answers requests, the same for all workers.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) default: DefaultAction,
    pub(crate) journal: Arc<Journal>,
    pub(crate) settings: Settings,
    /// What requests and answers may take in memory, as the log says it.
    pub(crate) max_memory: usize,
    /// The health of the services; `None` where no valid one was given.
    pub(crate) shared: Option<Shared>,
    pub(crate) backends: Arc<Backends>,
}

/// What the options say of clients and services.
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
    pub(crate) fn flow(&self, worker: usize, places: Places, memory: RequestMemory) -> Flow {
        let now = Instant::now();
        let mut options = FlowOptions::default();
        options.affinity = self.settings.affinity;
        options.strict = !self.settings.is_lenient;
        options.default = match &self.default {
            DefaultAction::Reply(response) => Some(response.clone()),
            DefaultAction::Close => None,
        };
        let mut clients = self.settings.clients;
        clients.lenient = self.settings.is_lenient;
        let upstream = self.shared.as_ref().map(|shared| {
            let options = self.settings.upstream.clone();
            let services = self.settings.services.iter().cloned();
            Upstream::new(now, options, services, shared, worker)
        });
        let clients = Clients::new(now, clients, places).with_memory(memory);
        Flow::new(options, clients, upstream)
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
        };
        balancer.ids().map(state).collect()
    }
}
