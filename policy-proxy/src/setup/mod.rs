//! The proxy, made of services and options.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use policy_daemon::log::{Level, Log};
use policy_flow::{
    Address, BackendConfig, ClientOptions, GroupRules, ListenerRules, PlaceLimits, Places,
    RequestMemory, Routing, Shared, Unanswered, UpstreamOptions,
};
use policy_ha::Backend;
use policy_socket::Endpoint;

use crate::{
    journal::{Journal, shortage::MemoryWaits},
    mirror::Mirror,
    options::{Affinity, GroupOptions, Groups, MirrorOptions, Options, Part, Service, Services},
    proxy::{Backends, GroupSettings, Proxy, Resolver, Settings},
};

mod exchange;
pub(crate) use exchange::exchange;

/// A journal that knows the services, after it has said what is wrong with some.
pub(crate) fn journal(services: &Services, log: Log, options: &Options) -> Journal {
    for fault in &services.invalid {
        for text in fault.perl.iter().chain([&fault.text]) {
            log.line(Level::Warning, text);
        }
    }
    for text in services.valid.iter().flat_map(|service| &service.warnings) {
        log.line(Level::Warning, text);
    }
    if services.valid.is_empty() {
        log.line(
            Level::Error,
            "no valid service: every request gets the default action",
        );
    }
    let groups = services.groups(options);
    Journal::new(log, services.valid.clone())
        .with_groups(groups.iter().map(|group| group.name))
        .with_detail(options.log.attempts, options.log.detail)
        .with_sample(options.log.sample)
}

/// The proxy in this mode, for so many workers and clients.
pub(crate) fn proxy(
    services: &Services,
    options: &Options,
    journal: Journal,
    workers: usize,
    max_clients: usize,
) -> Proxy {
    let settings = settings(services, options, workers);
    let memory = settings.clients.memory.filter(|_| options.is_daemon);
    let journal = Arc::new(journal);
    Proxy {
        mirrors: mirrors(options, &[], &journal),
        default: options.common.default.clone().unwrap_or_default(),
        journal,
        check: None,
        max_memory: options.clients.max_memory,
        shared: shared(services, &settings, options, workers),
        places: Places::new(PlaceLimits {
            all: max_clients,
            per_address: options.clients.max_per_address,
            per_user: options.clients.max_per_user,
        }),
        memory: RequestMemory::new(memory),
        memory_waits: (0..workers).map(|_| MemoryWaits::default()).collect(),
        metrics: (0..workers.max(1)).map(|_| Arc::default()).collect(),
        service_metrics: services.valid.iter().map(|_| counters(workers)).collect(),
        group_metrics: settings.groups.iter().map(|_| counters(workers)).collect(),
        backends: Arc::new(Backends {
            endpoints: endpoints(services),
            resolver: Arc::new(Resolver::new(!options.is_daemon)),
        }),
        settings,
    }
}

/// The health of the services of each group: one to 64 services with weights that were checked, of which the balancer
/// takes nothing ill.
fn shared(
    services: &Services,
    settings: &Settings,
    options: &Options,
    workers: usize,
) -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    for (group, part) in settings.groups.iter().zip(services.groups(options)) {
        let backends = group.services.iter().map(|service| service.backend);
        let config = group.upstream.balancer.with_seed(seed());
        let shared = match all.first() {
            None => Shared::new(config, backends, workers),
            Some(first) => first.beside(config, backends),
        };
        let Ok(shared) = shared else {
            return Vec::new();
        };
        let mut balancer = shared.balancer();
        for (id, service) in balancer.ids().zip(part.services) {
            balancer.set_mode(id, service.mode);
        }
        drop(balancer);
        all.push(shared);
    }
    all
}

fn settings(services: &Services, options: &Options, workers: usize) -> Settings {
    let groups: Vec<GroupSettings> = services
        .groups(options)
        .iter()
        .map(|part| group(part, options, workers))
        .collect();
    // None of the deadlines is to be over before there is memory for the request.
    let listeners = &options.groups.listeners;
    let deadlines = groups.iter().map(|group| group.upstream.deadline);
    let of_listeners = listeners.iter().filter_map(|listener| listener.deadline);
    let deadline = deadlines.chain(of_listeners).max().unwrap_or_default();
    Settings {
        // As the Perl script does. It reads one client's requests, and no port's.
        is_lenient: !options.is_daemon,
        clients: if options.is_daemon {
            options.clients.of_clients(deadline)
        } else {
            unlimited()
        },
        routing: routing(&options.groups, &groups),
        listeners: listeners.clone(),
        groups,
    }
}

fn endpoints(services: &Services) -> Vec<Endpoint> {
    let valid = services.valid.iter();
    valid.map(|service| service.endpoint.clone()).collect()
}

/// The settings of a group. Whether its process is a daemon is said for all.
fn group(part: &Part<'_>, options: &Options, workers: usize) -> GroupSettings {
    let own = part.options;
    let mut upstream = upstream(own, workers.max(1));
    if options.is_daemon {
        // Answers of all groups share it.
        upstream.memory = Some(options.clients.max_memory / ANSWERS / workers.max(1));
    } else {
        // A service's own time-out covers connecting as well.
        upstream.connect = None;
    }
    let affinity = own.affinity;
    let affinity =
        affinity.unwrap_or_else(|| Affinity::of_count(part.services.len(), options.is_daemon));
    let services = part.services.iter();
    GroupSettings {
        name: part.name.to_owned(),
        affinity: affinity == Affinity::Message,
        default: own.default.clone().unwrap_or_default(),
        upstream,
        services: services
            .map(|service| config(service, own, options.is_daemon))
            .collect(),
    }
}

/// The mirrors of a daemon; those of before go on where nothing else is said of them.
fn mirrors(options: &Options, before: &[Arc<Mirror>], journal: &Arc<Journal>) -> Vec<Arc<Mirror>> {
    let mirror = |options: &MirrorOptions| {
        let mut known = before
            .iter()
            .filter(|known| known.options.name == options.name);
        match known.next() {
            Some(known) if known.options == *options => Arc::clone(known),
            known => {
                let counts = known.map(|known| Arc::clone(&known.counts));
                let counts = counts.unwrap_or_default();
                Arc::new(Mirror::new(options.clone(), counts, journal, seed()))
            }
        }
    };
    let mirrors = options.groups.mirrors.iter();
    mirrors.filter(|_| options.is_daemon).map(mirror).collect()
}

/// Which requests go to which group, where there are several, or where listeners have rules of their own.
fn routing(groups: &Groups, settings: &[GroupSettings]) -> Option<Box<Routing>> {
    if groups.list.is_empty() && groups.listeners.is_empty() {
        return None;
    }
    let mut routing = Routing::default();
    routing.groups = settings
        .iter()
        .map(|group| {
            let mut rules = GroupRules::default();
            rules.affinity = group.affinity;
            rules.default = Unanswered::from(&group.default);
            rules
        })
        .collect();
    let fallback = if groups.list.is_empty() {
        0
    } else {
        groups.fallback.unwrap_or(usize::MAX)
    };
    let mut unnamed = ListenerRules::default();
    unnamed.group = fallback;
    routing.listeners.push(unnamed);
    for listener in &groups.listeners {
        let mut rules = ListenerRules::default();
        rules.group = listener.group.unwrap_or(fallback);
        rules.default = listener.default.as_ref().map(Unanswered::from);
        rules.deadline = listener.deadline;
        routing.listeners.push(rules);
    }
    routing.routes.clone_from(&groups.routes);
    Some(Box::new(routing))
}

/// The service in the balancer: its name tells it from the others, so that a list may change and keys stay.
fn keyed(service: &Service) -> Backend {
    service.backend.with_key(policy_ha::key([&service.name]))
}

/// What each worker counts of a new service or group.
fn counters<T: Default>(workers: usize) -> Vec<Arc<T>> {
    (0..workers.max(1)).map(|_| Arc::default()).collect()
}

/// The settings of one service.
fn config(service: &Service, options: &GroupOptions, is_daemon: bool) -> BackendConfig {
    let mut config = BackendConfig::default();
    config.backend = keyed(service);
    config.timeout = service.timeout;
    config.accepts = service.actions.clone();
    config.keep = match service.keep.or(options.keep) {
        // A hundred smtpd processes with an idle connection each would starve a prefork server.
        _ if !is_daemon => Duration::ZERO,
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

/// The settings of all services of a group together.
fn upstream(options: &GroupOptions, workers: usize) -> UpstreamOptions {
    let mut upstream = UpstreamOptions::default();
    upstream.deadline = options.deadline;
    upstream.last_resort = options.last_resort;
    upstream.strategy = options.balance.clone();
    upstream.retry = options.retry;
    upstream.max_connections = options.max_connections;
    upstream.max_age = options.max_age;
    // They fill the queue of the simplest servers together.
    upstream.max_opening = (upstream.max_opening / workers).max(1);
    let failures = options.max_failures;
    upstream.balancer = upstream.balancer.with_max_failures(failures);
    upstream
}

/// A client that is waited for without an end.
fn unlimited() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.idle = Duration::MAX;
    options.request = Duration::MAX;
    options
}

/// A seed of the system's, different for each process: several of them share by weight.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// How often a UNIX socket's file is looked at while its service is asked.
const FILE_REFRESH: Duration = Duration::from_secs(1);
/// Each worker of a daemon has a place in the state machines' shared part.
const _: () = assert!(policy_daemon::MAX_WORKERS <= policy_flow::MAX_WORKERS);
/// Answers have such a part of the memory.
const ANSWERS: usize = 4;
