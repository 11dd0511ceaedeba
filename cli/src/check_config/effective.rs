//! The options that hold, in the form in which they can be given, as postconf(1) prints settings with `-n`.

use std::os::unix::ffi::OsStrExt;

use clap::{Arg, ArgMatches, CommandFactory, ValueEnum};
use policy_flow::BackendConfig;

use crate::{
    args::{Detail, Options, Service, is_of_a_daemon, shown_duration},
    check_config::quoted::quoted,
    services::{Services, affinity},
};

/// The options that hold.
pub(crate) struct Effective<'a> {
    pub(crate) options: &'a Options,
    pub(crate) services: &'a Services,
    pub(crate) workers: usize,
    /// As many as there may be, where that is known.
    pub(crate) max_clients: Option<usize>,
}

impl Effective<'_> {
    /// The mode, and one option a line, quoted for a shell.
    pub(super) fn text(&self) -> String {
        let mode = if self.options.is_daemon {
            "daemon"
        } else {
            "drop-in"
        };
        let line = |(name, value): (String, Value)| match value {
            Some(value) => format!("--{name}={}\n", quoted(&value)),
            None => format!("--{name}\n"),
        };
        let lines: String = self.given().into_iter().map(line).collect();
        format!("# mode: {mode}\n{lines}")
    }

    /// The options that hold, in the order of the help text. The drop-in has none of a daemon's.
    pub(crate) fn given(&self) -> Vec<(String, Value)> {
        let mut command = Options::command();
        let matches = match &self.options.given {
            Some(matches) => matches.clone(),
            // The Perl script's options do not go through clap.
            None => command
                .try_get_matches_from_mut(["hapolicy"])
                .unwrap_or_default(),
        };
        let mut given = Vec::new();
        for option in command.get_arguments() {
            if self.options.is_daemon || !is_of_a_daemon(option) {
                let name = option.get_long().unwrap_or_default();
                let values = self.values(option, &matches).into_iter();
                given.extend(values.map(|value| (name.to_owned(), value)));
            }
        }
        given
    }

    /// The values of an option: those that were given or its default, unless something else holds.
    fn values(&self, option: &Arg, matches: &ArgMatches) -> Vec<Value> {
        let (options, services) = (self.options, &self.services.valid);
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
                let affinity = affinity(options, self.services).to_possible_value();
                one(affinity.map(|value| value.get_name().to_owned()))
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
pub(crate) type Value = Option<Vec<u8>>;

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

#[cfg(test)]
pub(crate) mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use proptest::{prelude::*, sample::subsequence};

    use super::*;

    /// The effective options of a command line, as a command line.
    fn effective(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let words = words.into_iter().map(OsString::from_vec);
        let options = Options::parse(words, false).unwrap();
        let services = Services::parse(&options);
        let effective = Effective {
            options: &options,
            services: &services,
            workers: options.daemon().workers(),
            max_clients: options.is_daemon.then(|| {
                let most = options.limits.max_clients;
                most.map_or(1000, usize::from)
            }),
        };
        let word = |(name, value): (String, Value)| match value {
            Some(value) => [b"--", name.as_bytes(), b"=", &value].concat(),
            None => format!("--{name}").into_bytes(),
        };
        effective.given().into_iter().map(word).collect()
    }

    proptest! {
        #[test]
        fn what_is_printed_can_be_given_and_comes_to_the_same(words in command_line()) {
            let printed = effective(words);
            prop_assert_eq!(effective(printed.clone()), printed);
        }
    }

    fn bytes(words: Vec<&str>) -> Vec<Vec<u8>> {
        words
            .into_iter()
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    /// Any options, each with a value that is valid, or a service's field that is not.
    pub(crate) fn command_line() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let of_both = [
            "-sa=127.0.0.1:1:5:3:2.5",
            "-sb=[::1]:1:high:0:500ms",
            "--service=grün und=unix:/run/p:0",
            "--service=a=inet:host.example:25",
            "-sbad",
            "-dDEFER_IF_PERMIT it's \u{202e}late",
            "-dclose",
            "--default=close ",
            "-lvL",
            "--deadline=1.2345s",
            "--affinity=message",
            "--balance=hash:sender,recipient",
            "--retry=unsent",
            "--last-resort=0s",
            "--max-connections=5",
            "--max-failures=3",
            "--mode=a=drain",
            "--mode=b=disabled",
            "--actions=a=DUNNO,4xx",
            "--check",
        ];
        let of_a_daemon = [
            "--listen=unix:/run/policy,mode=0660",
            "--user=nobody:0",
            "--workers=3",
            "--log-format=classic",
            "--allow=192.0.2.0/24,2001:db8::1",
            "--allow=::ffff:192.0.2.1",
            "--max-clients=77",
            "--max-clients-per-address=2",
            "--max-clients-per-user=3",
            "--max-request=4097",
            "--max-memory=300M",
            "--request-timeout=1500ms",
            "--idle=2m",
            "--drain=0s",
            "--handover=unix:/run/a b",
            "--check=5s",
            "--health-check=7s",
        ];
        let named = |raw: Vec<u8>| {
            let mut name = raw;
            name.retain(|byte| !matches!(byte, 0 | b'='));
            [b"--service=x", &*name, b"=127.0.0.1:7"].concat()
        };
        let name = prop::collection::vec(any::<u8>(), 0..6).prop_map(named);
        let both = subsequence(of_both.to_vec(), 0..=of_both.len());
        let daemon = subsequence(of_a_daemon.to_vec(), 0..=of_a_daemon.len());
        (name, both, prop::option::of(daemon)).prop_map(move |(name, both, daemon)| {
            let mut words = bytes(both);
            words.push(name);
            if let Some(daemon) = daemon {
                words.push(b"--listen=inet:127.0.0.1:0".to_vec());
                words.extend(bytes(daemon));
            }
            words
        })
    }
}
