//! From options to services, an upstream and its checks.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    time::Duration,
};

use policy_ha::Mode;
use policy_net::{Check, Connector, Service as Member, Upstream, UpstreamOptions};

use crate::{InvalidService, Journal, Level, Log, Options, Service, StartError, probe::read_probe};

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
        let timeout = match options.is_daemon {
            false => DROP_IN_TIMEOUT,
            true => DAEMON_TIMEOUT,
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

    /// The services as one; `None` without any.
    pub(crate) fn upstream(
        &self,
        mut settings: UpstreamOptions,
        ipv4_first: bool,
    ) -> Option<Upstream<Connector>> {
        settings.balancer = settings.balancer.with_seed(seed());
        let member = |service: &Service| {
            let connector = Connector::new(service.endpoint.clone());
            Member {
                connect: if ipv4_first {
                    connector.ipv4_first()
                } else {
                    connector
                },
                // Its name tells it from the others, so that a list may change and keys stay.
                backend: service.backend.with_key(policy_ha::key([&service.name])),
                timeout: service.timeout,
                accepts: service.actions.clone(),
            }
        };
        // One to 64 services with weights that were checked: the balancer takes nothing else ill.
        let upstream = Upstream::new(settings, self.valid.iter().map(member)).ok()?;
        for (id, service) in upstream.ids().zip(&self.valid) {
            upstream.set_mode(id, service.mode);
        }
        Some(upstream)
    }
}

/// What the options say of an upstream, in both modes.
pub(crate) fn settings(options: &Options) -> UpstreamOptions {
    let mut settings = UpstreamOptions::default();
    settings.deadline = options.deadline;
    settings.last_resort = options.failover.last_resort;
    settings.balance = options.failover.balance.clone();
    settings.retry = options.failover.retry;
    settings.pool.max_connections = options.failover.max_connections;
    let failures = options.failover.max_failures;
    settings.balancer = settings.balancer.with_max_failures(failures);
    settings
}

/// What `--check` and `--probe` mean.
pub(crate) fn checks(options: &Options) -> Result<Option<Check>, StartError> {
    let failover = &options.failover;
    let read = |path: &PathBuf| {
        let shown = path.display().to_string();
        read_probe(path).map_err(|error| StartError::Probe(shown, error))
    };
    let probe = failover.probe.as_ref().map(read).transpose()?;
    Ok(failover.checks(probe))
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
/// As in the Perl script.
const DROP_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// A daemon's clients share what one hung server costs.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(10);
