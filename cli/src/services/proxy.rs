//! The proxy, as services and options ask for it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use policy_daemon::StartError;
use policy_flow::{
    Address, BackendConfig, Check, ClientOptions, PlaceLimits, Places, RequestMemory, Shared,
    UpstreamOptions,
};
use policy_socket::Endpoint;

use super::Services;
use crate::{
    args::{Affinity, Options, Service, read_probe},
    journal::{Journal, shortage::MemoryWaits},
    metrics::WorkerMetrics,
    proxy::{Backends, Proxy, Resolver, Settings},
};

impl Services {
    /// The proxy in this mode, for so many workers and clients.
    pub(crate) fn proxy(
        &self,
        options: &Options,
        journal: Journal,
        workers: usize,
        max_clients: usize,
    ) -> Proxy {
        let upstream = upstream(options, workers.max(1));
        let services: Vec<_> = self
            .valid
            .iter()
            .map(|service| config(service, options))
            .collect();
        let shared = shared(&upstream, &services, workers);
        if let Some(shared) = &shared {
            let mut balancer = shared.balancer();
            for (id, service) in balancer.ids().zip(&self.valid) {
                balancer.set_mode(id, service.mode);
            }
        }
        let clients = if options.is_daemon {
            options.limits.of_clients(options.failover.deadline)
        } else {
            unlimited()
        };
        let memory = clients.memory.filter(|_| options.is_daemon);
        let endpoints = self.valid.iter().map(|service| service.endpoint.clone());
        Proxy {
            default: options.default.clone().unwrap_or_default(),
            journal: Arc::new(journal),
            max_memory: options.limits.max_memory,
            settings: Settings {
                affinity: affinity(options, self) == Affinity::Message,
                // As the Perl script does. It reads one client's requests, and no port's.
                is_lenient: !options.is_daemon,
                clients,
                upstream,
                services,
            },
            shared,
            places: Places::new(PlaceLimits {
                all: max_clients,
                per_address: options.limits.max_clients_per_address,
                per_user: options.limits.max_clients_per_user,
            }),
            memory: RequestMemory::new(memory),
            memory_waits: (0..workers).map(|_| MemoryWaits::default()).collect(),
            metrics: (0..workers.max(1))
                .map(|_| Arc::new(WorkerMetrics::new(self.valid.len())))
                .collect(),
            backends: Arc::new(Backends {
                endpoints: endpoints.collect(),
                resolver: Arc::new(Resolver::new(!options.is_daemon)),
            }),
        }
    }
}

/// The settings of one service.
fn config(service: &Service, options: &Options) -> BackendConfig {
    let mut config = BackendConfig::default();
    // Its name tells it from the others, so that a list may change and keys stay.
    config.backend = service.backend.with_key(policy_ha::key([&service.name]));
    config.timeout = service.timeout;
    config.accepts = service.actions.clone();
    config.keep = match service.keep.or_else(|| options.failover.keep_of_all()) {
        // A hundred smtpd processes with an idle connection each would starve a prefork server.
        _ if !options.is_daemon => Duration::ZERO,
        keep => keep.unwrap_or(config.keep),
    };
    match &service.endpoint {
        Endpoint::Inet { host, port } => {
            let address = host.parse().ok();
            config.address = address.map(|ip| Address::Inet(SocketAddr::new(ip, *port)));
            config.host = host.as_str().into();
        }
        _ => {
            config.refresh = FILE_REFRESH;
            config.host = service.endpoint.to_string().into();
        }
    }
    config
}

/// One to 64 services with weights that were checked: the balancer takes nothing else ill.
fn shared(options: &UpstreamOptions, services: &[BackendConfig], workers: usize) -> Option<Shared> {
    let backends = services.iter().map(|service| service.backend);
    let config = options.balancer;
    Shared::new(config.with_seed(seed()), backends, workers).ok()
}

/// The settings of all services together, in this mode.
fn upstream(options: &Options, workers: usize) -> UpstreamOptions {
    let mut upstream = UpstreamOptions::default();
    upstream.deadline = options.failover.deadline;
    upstream.last_resort = options.failover.last_resort;
    upstream.strategy = options.failover.balance.clone();
    upstream.retry = options.failover.retry;
    upstream.max_connections = options.failover.max_connections;
    upstream.max_age = options.failover.max_age;
    // They fill the queue of the simplest servers together.
    upstream.max_opening = (upstream.max_opening / workers).max(1);
    let failures = options.failover.max_failures;
    upstream.balancer = upstream.balancer.with_max_failures(failures);
    if options.is_daemon {
        upstream.memory = Some(options.limits.max_memory / ANSWERS / workers);
    } else {
        // A service's own time-out covers connecting as well.
        upstream.connect = None;
    }
    upstream
}

/// A client that is waited for without an end.
fn unlimited() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.idle = Duration::MAX;
    options.request = Duration::MAX;
    options
}

/// The look at services that are down: `--health-check` and `--probe`.
pub(crate) fn checks(options: &Options) -> Result<Option<Check>, StartError> {
    let failover = &options.failover;
    let read = |path: &PathBuf| {
        let shown = path.display().to_string();
        read_probe(path)
            .map_err(|error| StartError::Configuration(format!("--probe {shown}: {error}")))
    };
    let probe = failover.probe.as_ref().map(read).transpose()?;
    Ok(failover.checks(probe))
}

/// The affinity of requests, in either mode.
pub(crate) fn affinity(options: &Options, services: &Services) -> Affinity {
    options.affinity.unwrap_or(match services.valid.len() {
        // It has all the requests of a message anyway: they need not be searched for its name.
        2.. if options.is_daemon => Affinity::Message,
        _ => Affinity::None,
    })
}

/// A seed of the system's, different for each process: several of them share by weight.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// How often a UNIX socket's file is looked at while its service is asked.
const FILE_REFRESH: Duration = Duration::from_secs(1);
/// Answers have such a part of the memory.
const ANSWERS: usize = 4;
