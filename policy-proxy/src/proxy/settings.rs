//! The proxy, which all workers share: each makes a state machine of its own from it.

use std::{sync::Arc, time::Instant};

use policy_daemon::metrics::RequestMetrics;
use policy_flow::{
    BackendConfig, BackendGroup, Check, ClientOptions, Clients, Flow, FlowOptions, Places,
    RequestMemory, Routing, Shared, Slot, Unanswered, Upstream, UpstreamOptions,
};
use policy_ha::BackendId;
use policy_proto::{Request, Response};
use policy_socket::Endpoint;

use crate::{
    journal::{Journal, State, shortage::MemoryWaits},
    metrics::{
        GroupMetrics, GroupTable, ServiceMetrics, ServiceTable, ServiceTotals, WorkerMetrics,
    },
    mirror::Mirror,
    options::{DefaultAction, NamedListener},
    proxy::backends::Backends,
};

/// The proxy, which all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) default: DefaultAction,
    pub(crate) journal: Arc<Journal>,
    pub(crate) settings: Settings,
    /// How services that are down are looked at, with `--health-check`.
    pub(crate) check: Option<Check>,
    /// The memory that requests and answers may take, for the log.
    pub(crate) max_memory: usize,
    /// The health of the services of each group; empty where no valid one was given.
    pub(crate) shared: Vec<Shared>,
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
    /// For each group: what each worker counts of it.
    pub(crate) group_metrics: Vec<Vec<Arc<GroupMetrics>>>,
    /// Services whose answers are only compared and counted.
    pub(crate) mirrors: Vec<Arc<Mirror>>,
}

/// The options for clients and services.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Requests are answered whatever they look like.
    pub(crate) is_lenient: bool,
    pub(crate) clients: ClientOptions,
    /// At least one.
    pub(crate) groups: Vec<GroupSettings>,
    /// Those with names, which have the numbers from 1 on.
    pub(crate) listeners: Vec<NamedListener>,
    /// Where there are several groups, or listeners with names.
    pub(crate) routing: Option<Box<Routing>>,
}

/// The options of a group of services.
#[derive(Clone, Debug)]
pub(crate) struct GroupSettings {
    pub(crate) name: String,
    pub(crate) affinity: bool,
    pub(crate) default: DefaultAction,
    pub(crate) upstream: UpstreamOptions,
    /// In the order of the settings. Those of all groups, one after the other, are numbered through.
    pub(crate) services: Vec<BackendConfig>,
}

impl Proxy {
    /// The state machine of this worker, counted from 0.
    pub(crate) fn flow(&self, worker: usize) -> Flow {
        let now = Instant::now();
        let options = self.flow_options();
        let mut clients = self.settings.clients;
        clients.lenient = self.settings.is_lenient;
        let mut groups = self.backend_groups(|_| None).into_iter();
        let first = groups.next();
        let upstream =
            first.map(|first| Upstream::with_groups(now, first, groups.collect(), worker));
        let clients =
            Clients::new(now, clients, self.places.clone()).with_memory(self.memory.clone());
        Flow::new(options, clients, upstream)
    }

    /// The groups for a state machine. Services that it knows already have a slot there.
    pub(crate) fn backend_groups(&self, slot: impl Fn(usize) -> Option<Slot>) -> Vec<BackendGroup> {
        let mut first = 0;
        let groups = self.settings.groups.iter().zip(&self.shared);
        let group = |(group, shared): (&GroupSettings, &Shared)| {
            let services = group.services.iter().cloned().zip(first..);
            first += group.services.len();
            let services = services.map(|(service, index)| (service, slot(index)));
            BackendGroup::new(group.upstream.clone(), shared, services)
        };
        groups.map(group).collect()
    }

    /// The rules for requests.
    pub(crate) fn flow_options(&self) -> FlowOptions {
        let mut options = FlowOptions::default();
        options.affinity = self
            .settings
            .groups
            .first()
            .is_some_and(|group| group.affinity);
        options.strict = !self.settings.is_lenient;
        options.default = match &self.default {
            DefaultAction::Reply(response) => Some(response.clone()),
            DefaultAction::Close => None,
        };
        options.routing.clone_from(&self.settings.routing);
        options
    }

    /// What this worker counts of the services, in the order of the settings.
    pub(crate) fn services_of(&self, worker: usize) -> ServiceTable {
        let of_worker = |service: &Vec<Arc<ServiceMetrics>>| {
            service.get(worker).map(Arc::clone).unwrap_or_default()
        };
        ServiceTable(self.service_metrics.iter().map(of_worker).collect())
    }

    /// What this worker counts of the groups.
    pub(crate) fn groups_of(&self, worker: usize) -> GroupTable {
        let of_worker =
            |group: &Vec<Arc<GroupMetrics>>| group.get(worker).map(Arc::clone).unwrap_or_default();
        GroupTable(self.group_metrics.iter().map(of_worker).collect())
    }

    /// What this worker counts.
    pub(crate) fn worker_metrics(&self, worker: usize) -> Arc<WorkerMetrics> {
        let metrics = self.metrics.get(worker).map(Arc::clone);
        metrics.unwrap_or_default()
    }

    /// The requests that were replied to.
    pub(crate) fn requests(&self) -> u64 {
        let workers = self.metrics.iter();
        RequestMetrics::sample(workers.map(|worker| &worker.requests)).requests
    }

    /// What all workers have counted of a service.
    pub(crate) fn totals_of(&self, index: usize) -> ServiceTotals {
        let workers = self.service_metrics.get(index);
        ServiceTotals::of(workers.map_or(&[], Vec::as_slice))
    }

    /// Whether requests go to several groups, which are told apart then.
    pub(crate) const fn has_groups(&self) -> bool {
        self.settings.groups.len() > 1
    }

    /// Where a service with this index stands: its group's index, and its own there.
    pub(crate) fn group_of(&self, index: usize) -> Option<(usize, BackendId)> {
        let mut first = 0;
        for (group, settings) in self.settings.groups.iter().enumerate() {
            let own = index.checked_sub(first)?;
            if own < settings.services.len() {
                return Some((group, BackendId::new(own)?));
            }
            first += settings.services.len();
        }
        None
    }

    /// The health of the group of a service, and its index there.
    pub(crate) fn health_of(&self, index: usize) -> Option<(&Shared, BackendId)> {
        let (group, id) = self.group_of(index)?;
        Some((self.shared.get(group)?, id))
    }

    /// The name of the group of a service.
    pub(crate) fn group_name(&self, index: usize) -> &str {
        let group = self.group_of(index);
        let group = group.and_then(|(group, _)| self.settings.groups.get(group));
        group.map_or("", |group| &group.name)
    }

    /// The default action of a group.
    pub(crate) fn default_of(&self, group: usize) -> &DefaultAction {
        let group = self.settings.groups.get(group);
        group.map_or(&self.default, |group| &group.default)
    }

    /// The number of the listener that was to listen there: 0 if it has no name.
    pub(crate) fn listener_at(&self, endpoint: &Endpoint) -> u16 {
        NamedListener::at(&self.settings.listeners, endpoint)
            .and_then(|index| u16::try_from(index + 1).ok())
            .unwrap_or(0)
    }

    /// A service of this group has answered a request: mirrors may have a copy.
    #[cold]
    pub(crate) fn mirror(&self, group: usize, request: &Request, answer: &Response) {
        let name = self.settings.groups.get(group).map(|group| &group.name);
        for mirror in &self.mirrors {
            let of = &mirror.options.group;
            if of.is_none() || of.as_ref() == name {
                mirror.offer(request, answer);
            }
        }
    }

    /// The services as they are now.
    pub(crate) fn states(&self) -> Vec<State> {
        self.shared.iter().flat_map(states).collect()
    }

    /// The services of a group as they are now.
    pub(crate) fn states_of(&self, group: usize) -> Vec<State> {
        self.shared.get(group).map(states).unwrap_or_default()
    }
}

fn states(shared: &Shared) -> Vec<State> {
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

impl From<&DefaultAction> for Unanswered {
    fn from(default: &DefaultAction) -> Self {
        match default {
            DefaultAction::Reply(response) => Self::Reply(response.clone()),
            DefaultAction::Close => Self::Close,
        }
    }
}
