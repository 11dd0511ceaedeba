//! The services that options name: what each is, and what is wrong with some.

use std::{os::unix::ffi::OsStrExt, time::Duration};

use policy_daemon::StartError;
use policy_ha::Mode;

use super::{DEFAULT_GROUP, Group, GroupOptions, InvalidService, Options, Service, mode_name};

/// The services that options name, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct Services {
    /// Those that can be asked.
    pub valid: Vec<Service>,
    /// What is wrong with the others.
    pub invalid: Vec<Fault>,
    /// How many of the valid ones each group has, where a file names groups: they stand group by group.
    sizes: Vec<usize>,
}

/// A group of services, and the settings that hold for it.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: &'a GroupOptions,
    pub(crate) services: &'a [Service],
}

/// A fault of a service.
#[derive(Debug)]
pub struct Fault {
    /// The Perl script's line about it, if it has one.
    pub(crate) perl: Option<Vec<u8>>,
    /// The part that is at fault.
    pub text: Vec<u8>,
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
    /// Reads the services of these options.
    #[must_use]
    pub fn parse(options: &Options) -> Self {
        let timeout = default_timeout(options.is_daemon);
        let mut services = Self::default();
        for text in &options.services {
            services.add(text.as_bytes(), timeout);
        }
        for (name, mode) in &options.modes {
            services.set_mode(name, *mode);
        }
        for (name, list) in &options.actions {
            services.set_actions(name, list);
        }
        for (name, keep) in &options.keep {
            services.set_keep(name, *keep);
        }
        services.into_groups(&options.groups.list)
    }

    /// Those of these names, as one group.
    #[must_use]
    pub fn of_group(mut self, names: &[String]) -> Self {
        let is_one = |service: &Service| names.iter().any(|name| name.as_bytes() == service.name);
        self.valid.retain(is_one);
        self
    }

    /// The services group by group, each group in the order of the file.
    fn into_groups(mut self, groups: &[Group]) -> Self {
        if groups.is_empty() {
            return self;
        }
        let of_group = |name: &[u8]| {
            let mut groups = groups.iter();
            groups.position(|group| {
                group
                    .services
                    .iter()
                    .any(|service| service.as_bytes() == name)
            })
        };
        self.valid
            .sort_by_cached_key(|service| of_group(&service.name));
        let size = |index| {
            let is_of = |service: &&Service| of_group(&service.name) == Some(index);
            self.valid.iter().filter(is_of).count()
        };
        self.sizes = (0..groups.len()).map(size).collect();
        self
    }

    /// The groups: all services are one where a file names none.
    pub(crate) fn groups<'a>(&'a self, options: &'a Options) -> Vec<Part<'a>> {
        if self.sizes.is_empty() {
            return vec![Part {
                name: DEFAULT_GROUP,
                options: &options.common,
                services: &self.valid,
            }];
        }
        let mut rest = self.valid.as_slice();
        let groups = options.groups.list.iter().zip(&self.sizes);
        let part = |(group, size): (&'a Group, &usize)| {
            let (services, others) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            rest = others;
            Part {
                name: &group.name,
                options: &group.options,
                services,
            }
        };
        groups.map(part).collect()
    }

    /// The services of a daemon, which starts with a fault in none of them.
    pub(crate) fn for_daemon(options: &Options) -> Result<Self, StartError> {
        let services = Self::parse(options);
        if let Some(fault) = services.invalid.first() {
            let text = String::from_utf8_lossy(&fault.text).into_owned();
            return Err(StartError::Configuration(text));
        }
        if services.valid.is_empty() {
            let how = if options.is_of_file {
                "as [service.NAME]"
            } else {
                "with -s"
            };
            let text = format!("no service: give at least one {how}");
            return Err(StartError::Configuration(text));
        }
        Ok(services)
    }

    fn set_mode(&mut self, name: &str, mode: Mode) {
        if let Some(service) = self.named(name, || format!("--mode {name}={}", mode_name(mode))) {
            service.mode = mode;
        }
    }

    fn set_keep(&mut self, name: &str, keep: Duration) {
        if let Some(service) = self.named(name, || format!("--keep {name}={keep:?}")) {
            service.keep = Some(keep);
        }
    }

    /// A service whose list cannot be read is left out: without its list it could answer with anything.
    fn set_actions(&mut self, name: &str, list: &str) {
        let Some(service) = self.named(name, || format!("--actions {name}={list}")) else {
            return;
        };
        match list.parse() {
            Ok(actions) => service.actions = Some(actions),
            Err(error) => {
                self.valid.retain(|service| service.name != name.as_bytes());
                let text = format!("invalid service '{name}': actions '{list}': {error}");
                self.invalid.push(Fault::from(text));
            }
        }
    }

    /// The service that an option names; if there is none, that is a fault.
    fn named(&mut self, name: &str, option: impl FnOnce() -> String) -> Option<&mut Service> {
        let mut valid = self.valid.iter_mut();
        let service = valid.find(|service| service.name == name.as_bytes());
        if service.is_none() {
            let text = format!("{}: no service '{name}'", option());
            self.invalid.push(Fault::from(text));
        }
        service
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
}

/// The time-out of a service that says none.
pub(crate) const fn default_timeout(is_daemon: bool) -> Duration {
    if is_daemon {
        DAEMON_TIMEOUT
    } else {
        DROP_IN_TIMEOUT
    }
}

/// As many as a balancer takes.
const MOST: usize = 64;
/// As in the Perl script.
const DROP_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// A daemon's clients share what one hung server costs.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(10);
