//! The proxy, as services and options ask for it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use policy_daemon::StartError;
use policy_flow::{
    Address, BackendConfig, Check, ClientOptions, PlaceLimits, Places, RequestMemory, Shared,
    UpstreamOptions,
};
use policy_ha::{Backend, BackendId};
use policy_socket::Endpoint;

use super::Services;
use crate::{
    args::{Affinity, Options, Service, read_probe},
    journal::{Journal, shortage::MemoryWaits},
    metrics::ServiceMetrics,
    proxy::{Backends, Exchange, Proxy, Resolver, Settings},
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
        let settings = self.settings(options, workers);
        let shared = shared(&settings.upstream, &settings.services, workers);
        if let Some(shared) = &shared {
            self.set_modes(shared);
        }
        let memory = settings.clients.memory.filter(|_| options.is_daemon);
        Proxy {
            default: options.default.clone().unwrap_or_default(),
            journal: Arc::new(journal),
            check: None,
            max_memory: options.limits.max_memory,
            settings,
            shared,
            places: Places::new(PlaceLimits {
                all: max_clients,
                per_address: options.limits.max_clients_per_address,
                per_user: options.limits.max_clients_per_user,
            }),
            memory: RequestMemory::new(memory),
            memory_waits: (0..workers).map(|_| MemoryWaits::default()).collect(),
            metrics: (0..workers.max(1)).map(|_| Arc::default()).collect(),
            service_metrics: self.valid.iter().map(|_| counters(workers)).collect(),
            backends: Arc::new(Backends {
                endpoints: self.endpoints(),
                resolver: Arc::new(Resolver::new(!options.is_daemon)),
            }),
        }
    }

    /// The proxy of these settings in the place of another one. Services of the same name and address keep their health,
    /// their connections and what was counted of them.
    pub(crate) fn exchange(
        &self,
        options: &Options,
        before: &Proxy,
        check: Option<Check>,
        done: Sender<()>,
    ) -> Option<Exchange> {
        let workers = before.metrics.len();
        let settings = self.settings(options, workers);
        let known: Vec<&Service> = before.journal.services().collect();
        let of_before = |is: &dyn Fn(&Service) -> bool| known.iter().position(|known| is(known));
        let kept: Vec<Option<usize>> = self
            .valid
            .iter()
            .map(|service| {
                let Service { name, endpoint, .. } = service;
                of_before(&|known| known.name == *name && known.endpoint == *endpoint)
            })
            .collect();
        let was: Vec<_> = kept
            .iter()
            .map(|kept| kept.and_then(|index| known.get(index).copied()))
            .collect();
        let shared = before.shared.as_ref()?;
        let shared = self.renewed(&settings.upstream, shared, &kept, &was)?;
        // One that has moved is counted on: it has its name.
        let service_metrics = self.valid.iter().map(|service| {
            let index = of_before(&|known| known.name == service.name);
            let metrics = index.and_then(|index| before.service_metrics.get(index));
            metrics.cloned().unwrap_or_else(|| counters(workers))
        });
        let journal = before.journal.renewed(self.valid.clone(), &kept);
        let journal = journal
            .with_detail(options.logging, options.detail())
            .with_sample(options.log.log_sample);
        let proxy = Proxy {
            default: options.default.clone().unwrap_or_default(),
            journal: Arc::new(journal.with_format(options.log.log_format)),
            check,
            settings,
            shared: Some(shared),
            service_metrics: service_metrics.collect(),
            backends: Arc::new(Backends {
                endpoints: self.endpoints(),
                resolver: Arc::clone(&before.backends.resolver),
            }),
            ..before.clone()
        };
        Some(Exchange {
            proxy: Arc::new(proxy),
            kept,
            done,
        })
    }

    /// The health of services that stay. A weight or a mode that a command has set stays as well, unless the setting is
    /// another one.
    fn renewed(
        &self,
        upstream: &UpstreamOptions,
        before: &Shared,
        kept: &[Option<usize>],
        was: &[Option<&Service>],
    ) -> Option<Shared> {
        let services = || self.valid.iter().zip(was);
        let backends: Vec<_> = {
            let balancer = before.balancer();
            let backend =
                |((service, was), kept): ((&Service, &Option<&Service>), &Option<usize>)| {
                    let (mut backend, id) = (keyed(service), kept.and_then(BackendId::new));
                    let is_as_before = was.is_some_and(|was| was.backend.weight == backend.weight);
                    if let Some(id) = id.filter(|_| is_as_before) {
                        backend.weight = balancer.weight(id);
                    }
                    (backend, id)
                };
            services().zip(kept).map(backend).collect()
        };
        let config = upstream.balancer.with_seed(seed());
        let shared = before.renewed(config, backends).ok()?;
        let mut balancer = shared.balancer();
        for (id, (service, was)) in balancer.ids().zip(services()) {
            if was.is_none_or(|was| was.mode != service.mode) {
                balancer.set_mode(id, service.mode);
            }
        }
        drop(balancer);
        Some(shared)
    }

    fn settings(&self, options: &Options, workers: usize) -> Settings {
        Settings {
            affinity: affinity(options, self) == Affinity::Message,
            // As the Perl script does. It reads one client's requests, and no port's.
            is_lenient: !options.is_daemon,
            clients: if options.is_daemon {
                options.limits.of_clients(options.failover.deadline)
            } else {
                unlimited()
            },
            upstream: upstream(options, workers.max(1)),
            services: self
                .valid
                .iter()
                .map(|service| config(service, options))
                .collect(),
        }
    }

    fn set_modes(&self, shared: &Shared) {
        let mut balancer = shared.balancer();
        for (id, service) in balancer.ids().zip(&self.valid) {
            balancer.set_mode(id, service.mode);
        }
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let services = self.valid.iter();
        services.map(|service| service.endpoint.clone()).collect()
    }
}

/// The service in the balancer: its name tells it from the others, so that a list may change and keys stay.
fn keyed(service: &Service) -> Backend {
    service.backend.with_key(policy_ha::key([&service.name]))
}

/// What each worker counts of a new service.
fn counters(workers: usize) -> Vec<Arc<ServiceMetrics>> {
    (0..workers.max(1)).map(|_| Arc::default()).collect()
}

/// The settings of one service.
fn config(service: &Service, options: &Options) -> BackendConfig {
    let mut config = BackendConfig::default();
    config.backend = keyed(service);
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
