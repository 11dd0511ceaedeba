//! The options that hold, in the form in which they can be given, as postconf(1) prints settings with `-n`.

use std::os::unix::ffi::OsStrExt;

use clap::{Arg, ArgMatches, CommandFactory};
use policy_flow::BackendConfig;
use policy_proxy::{
    config::{Given, Settings},
    options::{Affinity, Detail, Group, Options, Service, Services, shown_duration},
};

use super::quoted::quoted;
use crate::args::{Arguments, is_of_a_daemon};

/// The options that hold.
#[derive(Debug)]
pub struct Effective<'a> {
    /// What was given.
    pub arguments: &'a Arguments,
    /// Its services.
    pub services: &'a Services,
    /// How many threads serve.
    pub workers: usize,
    /// As many clients as there may be, where that is known.
    pub max_clients: Option<usize>,
}

impl<'a> Effective<'a> {
    /// Those of arguments, before anything is known of the system.
    #[must_use]
    pub fn new(arguments: &'a Arguments, options: &Options, services: &'a Services) -> Self {
        Self {
            arguments,
            services,
            workers: options.daemon.workers(),
            max_clients: options.daemon.max_clients.map(usize::from),
        }
    }

    /// The mode, and one option a line, quoted for a shell.
    pub(super) fn text(&self) -> String {
        let mode = if self.arguments.is_daemon {
            "daemon"
        } else {
            "drop-in"
        };
        let line = |(name, value): Given| match value {
            Some(value) => format!("--{name}={}\n", quoted(&value)),
            None => format!("--{name}\n"),
        };
        let lines: String = self.given().into_iter().map(line).collect();
        format!("# mode: {mode}\n{lines}")
    }

    /// The settings, to be written as a file.
    #[must_use]
    pub fn settings(&self, options: &'a Options) -> Settings<'a> {
        let is_daemon = self.arguments.is_daemon;
        let nothing = Arguments {
            is_daemon,
            ..Arguments::default()
        };
        let of_group = |(group, arguments): (&Group, &Arguments)| {
            let mut own = arguments.clone();
            own.is_daemon = is_daemon;
            let own_options = own.options();
            let services = Services::parse(&own_options).of_group(&group.services);
            Effective::new(&own, &own_options, &services).given()
        };
        let groups = &self.arguments.groups.arguments;
        let groups = options.groups.list.iter().zip(groups);
        let command = Arguments::command();
        let arguments = command.get_arguments();
        let arguments = arguments.filter(|option| is_daemon || !is_of_a_daemon(option));
        Settings {
            options,
            services: self.services,
            arguments: arguments.cloned().collect(),
            given: self.given(),
            defaults: Effective::new(&nothing, &nothing.options(), &Services::default()).given(),
            groups: groups.map(of_group).collect(),
        }
    }

    /// The options that hold, in the order of the help text. The drop-in has none of a daemon's.
    #[must_use]
    pub fn given(&self) -> Vec<Given> {
        let mut command = Arguments::command();
        let matches = match &self.arguments.given {
            Some(matches) => matches.clone(),
            // The Perl script's options do not go through clap.
            None => command
                .try_get_matches_from_mut(["hapolicy"])
                .unwrap_or_default(),
        };
        let mut given = Vec::new();
        for option in command.get_arguments() {
            if self.arguments.is_daemon || !is_of_a_daemon(option) {
                let name = option.get_long().unwrap_or_default();
                let values = self.values(option, &matches).into_iter();
                given.extend(values.map(|value| (name.to_owned(), value)));
            }
        }
        given
    }

    /// The values of an option: those that were given or its default, unless something else holds.
    fn values(&self, option: &Arg, matches: &ArgMatches) -> Vec<Value> {
        let (options, services) = (self.arguments, &self.services.valid);
        let flag = |is_set: bool| is_set.then_some(None).into_iter().collect();
        let one =
            |value: Option<String>| value.map(|value| Some(value.into())).into_iter().collect();
        match option.get_id().as_str() {
            "services" => services.iter().map(described).collect(),
            "default" => vec![Some(
                options
                    .default
                    .clone()
                    .unwrap_or_default()
                    .as_bytes()
                    .to_vec(),
            )],
            "logging" => flag(options.logging),
            "verbose" if options.detail() == Detail::default() => Vec::new(),
            "verbose" if options.verbose => flag(true),
            "verbose" => one(Some(options.categories.to_string())),
            "stdout" => flag(options.stdout),
            "affinity" => {
                let of_count = || Affinity::of_count(services.len(), options.is_daemon);
                let affinity = options.affinity.unwrap_or_else(of_count);
                one(Some(affinity.name().to_owned()))
            }
            "actions" => services.iter().filter_map(actions).collect(),
            "workers" => one(Some(self.workers.to_string())),
            "max_clients" => one(self.max_clients.map(|most| most.to_string())),
            "health_check" => one(options.failover.interval().map(shown_duration)),
            // The older spelling of two others; and what is said of a file stands in it.
            "check" | "config" => Vec::new(),
            "keep" => {
                let default = match options.failover.keep_of_all() {
                    None => Some(shown_duration(BackendConfig::default().keep)),
                    Some(_) => None,
                };
                let default = default.map(|keep| Some(keep.into()));
                default.into_iter().chain(raw(option, matches)).collect()
            }
            _ => raw(option, matches),
        }
    }
}

/// The bytes behind `=`; a flag has none.
type Value = Option<Vec<u8>>;

/// The values as they were written, or the default's.
fn raw(option: &Arg, matches: &ArgMatches) -> Vec<Value> {
    if !option.get_action().takes_values() {
        return Vec::new();
    }
    let values = matches.try_get_raw(option.get_id().as_str());
    let values = values.ok().flatten().into_iter().flatten();
    let values: Vec<&[u8]> = values.map(OsStrExt::as_bytes).collect();
    match option.get_value_delimiter() {
        Some(_) if values.is_empty() => Vec::new(),
        Some(delimiter) => vec![Some(values.join(delimiter.to_string().as_bytes()))],
        None => values.iter().map(|value| Some(value.to_vec())).collect(),
    }
}

/// A service with all its fields.
fn described(service: &Service) -> Value {
    let (backend, timeout) = (service.backend, shown_duration(service.timeout));
    let endpoint = &service.endpoint;
    let rest = format!(
        "={endpoint}:{}:{}:{timeout}",
        backend.priority, backend.weight
    );
    Some([&service.name, rest.as_bytes()].concat())
}

/// The actions of a service, if it may not answer with any.
fn actions(service: &Service) -> Option<Value> {
    let list = format!("={}", service.actions.as_ref()?);
    Some(Some([&service.name, list.as_bytes()].concat()))
}
