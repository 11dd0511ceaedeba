//! From options to services, an upstream and its checks.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use policy_daemon::{
    StartError,
    log::{Level, Log},
};
use policy_flow::{
    Address, BackendConfig, Check, ClientOptions, PlaceLimits, Places, RequestMemory, Shared,
    UpstreamOptions,
};
use policy_ha::Mode;
use policy_socket::Endpoint;

use crate::{
    args::{Affinity, InvalidService, Options, Service, read_probe},
    journal::{Journal, shortage::MemoryWaits},
    proxy::{Backends, Proxy, Resolver, Settings},
};

/// The services of a command line, and what was wrong with the others.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) valid: Vec<Service>,
    pub(crate) invalid: Vec<Fault>,
}

/// What is wrong with a service.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What the Perl script says of it, if it does.
    perl: Option<Vec<u8>>,
    /// What is at fault.
    pub(crate) text: Vec<u8>,
}

impl Fault {
    fn new(service: &[u8], fault: &str) -> Self {
        let end = format!("': {fault}");
        Self {
            perl: None,
            text: [b"invalid service '", service, end.as_bytes()].concat(),
        }
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self {
            perl: None,
            text: text.into_bytes(),
        }
    }
}

impl Services {
    pub(crate) fn parse(options: &Options) -> Self {
        let timeout = if options.is_daemon {
            DAEMON_TIMEOUT
        } else {
            DROP_IN_TIMEOUT
        };
        let mut services = Self::default();
        for text in &options.services {
            services.add(text.as_bytes(), timeout);
        }
        for (name, mode) in &options.failover.mode {
            services.set_mode(name, *mode);
        }
        for (name, list) in &options.failover.actions {
            services.set_actions(name, list);
        }
        // What is said of one service counts for that, wherever it stands.
        let (of_all, of_one): (Vec<_>, Vec<_>) = options
            .failover
            .keep
            .iter()
            .partition(|(name, _)| name.is_none());
        for (name, keep) in of_all.into_iter().chain(of_one) {
            services.set_keep(name.as_deref(), *keep);
        }
        services
    }

    fn set_mode(&mut self, name: &str, mode: Mode) {
        let mut valid = self.valid.iter_mut();
        match valid.find(|service| service.name == name.as_bytes()) {
            Some(service) => service.mode = mode,
            None => {
                let text = format!("--mode {name}={}: no service '{name}'", mode_name(mode));
                self.invalid.push(Fault::from(text));
            }
        }
    }

    fn set_keep(&mut self, name: Option<&str>, keep: Duration) {
        let is_meant =
            |service: &&mut Service| name.is_none_or(|name| service.name == name.as_bytes());
        let mut count = 0;
        for service in self.valid.iter_mut().filter(is_meant) {
            service.keep = Some(keep);
            count += 1;
        }
        if let Some(name) = name.filter(|_| count == 0) {
            let text = format!("--keep {name}={keep:?}: no service '{name}'");
            self.invalid.push(Fault::from(text));
        }
    }

    /// A service whose list cannot be read is left out: without its list it could answer with anything.
    fn set_actions(&mut self, name: &str, list: &str) {
        let is_named = |service: &Service| service.name == name.as_bytes();
        let Some(at) = self.valid.iter().position(is_named) else {
            let text = format!("--actions {name}={list}: no service '{name}'");
            return self.invalid.push(Fault::from(text));
        };
        let mut service = self.valid.remove(at);
        match list.parse() {
            Ok(actions) => {
                service.actions = Some(actions);
                self.valid.insert(at, service);
            }
            Err(error) => {
                let text = format!("invalid service '{name}': actions '{list}': {error}");
                self.invalid.push(Fault::from(text));
            }
        }
    }

    fn add(&mut self, text: &[u8], timeout: Duration) {
        match Service::parse(text, timeout) {
            Ok(service) => {
                let full = self.valid.len() == MOST;
                match self
                    .valid
                    .iter_mut()
                    .find(|known| known.name == service.name)
                {
                    Some(known) => *known = service.replacing(known),
                    None if full => {
                        let fault = format!("there are more than {MOST}");
                        self.invalid.push(Fault::new(text, &fault));
                    }
                    None => self.valid.push(service),
                }
            }
            Err(error) => {
                let perl = match error {
                    InvalidService::ZeroHost | InvalidService::ZeroPort => {
                        let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
                        [b"No address or port for '", name, b"'"].concat()
                    }
                    _ => [b"ignoring invalid service '", text, b"'"].concat(),
                };
                self.invalid.push(Fault {
                    perl: Some(perl),
                    ..Fault::new(text, &error.to_string())
                });
            }
        }
    }

    /// A journal that knows the services, after it has said what is wrong with some.
    pub(crate) fn journal(&self, log: Log, options: &Options) -> Journal {
        for fault in &self.invalid {
            for text in fault.perl.iter().chain([&fault.text]) {
                log.line(Level::Warning, text);
            }
        }
        for text in self.valid.iter().flat_map(|service| &service.warnings) {
            log.line(Level::Warning, text);
        }
        if self.valid.is_empty() {
            log.line(
                Level::Error,
                "no valid service: every request gets the default action",
            );
        }
        Journal::new(log, self.valid.clone()).with_detail(options.logging, options.verbose)
    }

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
            .map(|service| config(service, options.is_daemon))
            .collect();
        let shared = shared(&upstream, &services, workers);
        if let Some(shared) = &shared {
            let mut balancer = shared.balancer();
            for (id, service) in balancer.ids().zip(&self.valid) {
                balancer.set_mode(id, service.mode);
            }
        }
        let clients = if options.is_daemon {
            options.limits.of_clients(options.deadline)
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
            backends: Arc::new(Backends {
                endpoints: endpoints.collect(),
                resolver: Arc::new(Resolver::new(!options.is_daemon)),
            }),
        }
    }
}

/// What is said of one service.
fn config(service: &Service, is_daemon: bool) -> BackendConfig {
    let mut config = BackendConfig::default();
    // Its name tells it from the others, so that a list may change and keys stay.
    config.backend = service.backend.with_key(policy_ha::key([&service.name]));
    config.timeout = service.timeout;
    config.accepts = service.actions.clone();
    if let Some(keep) = service.keep {
        config.keep = keep;
    }
    if !is_daemon {
        // A hundred smtpd processes with an idle connection each would starve a prefork server.
        config.keep = Duration::ZERO;
    }
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

/// What the options say of all services together, in this mode.
fn upstream(options: &Options, workers: usize) -> UpstreamOptions {
    let mut upstream = UpstreamOptions::default();
    upstream.deadline = options.deadline;
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

/// What `--check` and `--probe` mean.
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

/// What keeps requests together, in either mode.
pub(crate) fn affinity(options: &Options, services: &Services) -> Affinity {
    options.affinity.unwrap_or(match services.valid.len() {
        // It has all the requests of a message anyway: they need not be searched for its name.
        2.. if options.is_daemon => Affinity::Message,
        _ => Affinity::None,
    })
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enabled => "enabled",
        Mode::Drain => "drain",
        Mode::Disabled => "disabled",
    }
}

/// A seed of the system's, different for each process: several of them share by weight.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// As many as a balancer takes.
const MOST: usize = 64;
/// How often a UNIX socket's file is looked at while its service is asked.
const FILE_REFRESH: Duration = Duration::from_secs(1);
/// Answers have such a part of the memory.
const ANSWERS: usize = 4;
/// As in the Perl script.
const DROP_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// A daemon's clients share what one hung server costs.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(10);
