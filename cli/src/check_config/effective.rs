//! All that is effective, in the form in which it can be given, as postconf(1) does with `-n`.

use std::time::Duration;

use clap::ValueEnum;
use policy_flow::{BackendConfig, Retry};
use policy_ha::Mode;

use crate::{
    args::{
        Affinity, ClientArgs, DefaultAction, FailoverArgs, Options, Service, ShutdownArgs, shown,
    },
    check_config::quoted::quoted,
    services::{Services, affinity},
};

pub(super) struct Effective<'a> {
    pub(super) options: &'a Options,
    pub(super) services: &'a Services,
    pub(super) workers: usize,
    /// As many as there may be, where that is known.
    pub(super) max_clients: Option<usize>,
}

impl Effective<'_> {
    /// The mode, and one option a line, quoted for a shell.
    pub(super) fn text(&self) -> String {
        let mode = if self.options.is_daemon {
            "daemon"
        } else {
            "drop-in"
        };
        let line = |option: &Given| match &option.value {
            Some(value) => format!("--{}={}\n", option.name, quoted(value)),
            None => format!("--{}\n", option.name),
        };
        let lines: String = self.given().iter().map(line).collect();
        format!("# mode: {mode}\n{lines}")
    }

    /// What the drop-in does not take is not there for it.
    fn given(&self) -> Vec<Given> {
        // Without `..`, so that no option is forgotten.
        let Options {
            services: _,
            default,
            logging,
            verbose,
            stdout,
            listen,
            user,
            workers: _,
            deadline,
            limits,
            shutdown,
            is_daemon,
            daemon_option: _,
            log_format,
            affinity: _,
            failover,
            help: (),
            version: (),
        } = self.options;
        let mut lines = Lines::default();
        for text in listen {
            lines.option("listen", text);
        }
        for service in &self.services.valid {
            lines.option("service", described(service));
        }
        lines.option(
            "default",
            match default.clone().unwrap_or_default() {
                DefaultAction::Reply(response) => response.as_bytes().to_vec(),
                DefaultAction::Close => b"close".to_vec(),
            },
        );
        lines.option("deadline", duration(*deadline));
        lines.option(
            "affinity",
            match affinity(self.options, self.services) {
                Affinity::None => "none",
                Affinity::Message => "message",
            },
        );
        self.failover(failover, &mut lines);
        if *is_daemon {
            if let Some(user) = user {
                lines.option("user", user);
            }
            lines.option("workers", self.workers.to_string());
            let format = log_format.to_possible_value();
            if let Some(format) = format {
                lines.option("log-format", format.get_name());
            }
            self.limits(limits, &mut lines);
            shutdown_lines(shutdown, &mut lines);
        }
        for (is_set, name) in [
            (logging, "logging"),
            (verbose, "verbose"),
            (stdout, "stdout"),
        ] {
            if *is_set {
                lines.0.push(Given { name, value: None });
            }
        }
        lines.0
    }

    /// How long connections are kept: to all services, and to those for which something else is said.
    fn keep(&self, keep: &[(Option<String>, Duration)], lines: &mut Lines) {
        let mut of_all = keep.iter().filter(|(name, _)| name.is_none());
        let of_all = of_all.next_back().map(|(_, keep)| *keep);
        let of_all = of_all.unwrap_or_else(|| BackendConfig::default().keep);
        lines.option("keep", duration(of_all));
        for service in &self.services.valid {
            if let Some(keep) = service.keep.filter(|keep| *keep != of_all) {
                let keep = format!("={}", duration(keep));
                lines.option("keep", [&*service.name, keep.as_bytes()].concat());
            }
        }
    }

    fn failover(&self, failover: &FailoverArgs, lines: &mut Lines) {
        let FailoverArgs {
            balance,
            retry,
            last_resort,
            max_connections,
            max_age,
            keep,
            max_failures,
            mode: _,
            actions: _,
            check_config: _,
            strict: _,
            quiet: _,
            health_check: _,
            check: _,
            probe,
            probe_action,
        } = failover;
        lines.option("balance", balance.to_string());
        lines.option(
            "retry",
            match retry {
                Retry::Unsent => "unsent",
                _ => "always",
            },
        );
        lines.option("last-resort", duration(*last_resort));
        lines.option("max-connections", max_connections.to_string());
        if self.options.is_daemon {
            lines.option("max-age", duration(*max_age));
            self.keep(keep, lines);
        }
        lines.option("max-failures", max_failures.to_string());
        for service in &self.services.valid {
            let mode: &[u8] = match service.mode {
                Mode::Drain => b"=drain",
                Mode::Disabled => b"=disabled",
                _ => continue,
            };
            lines.option("mode", [&*service.name, mode].concat());
        }
        for service in &self.services.valid {
            if let Some(actions) = &service.actions {
                let list = format!("={actions}");
                lines.option("actions", [&*service.name, list.as_bytes()].concat());
            }
        }
        if self.options.is_daemon {
            if let Some(check) = failover.interval() {
                lines.option("health-check", duration(check));
            }
            if let Some(probe) = probe {
                lines.option("probe", probe.as_os_str().as_encoded_bytes());
            }
            if let Some(action) = probe_action {
                lines.option("probe-action", action.as_bytes());
            }
        }
    }

    fn limits(&self, limits: &ClientArgs, lines: &mut Lines) {
        let ClientArgs {
            allow,
            max_clients: _,
            max_clients_per_address,
            max_clients_per_user,
            max_request,
            max_memory,
            request_timeout,
            idle,
        } = limits;
        if !allow.is_empty() {
            let nets: Vec<String> = allow.iter().map(ToString::to_string).collect();
            lines.option("allow", nets.join(","));
        }
        if let Some(most) = self.max_clients {
            lines.option("max-clients", most.to_string());
        }
        for (most, name) in [
            (max_clients_per_address, "max-clients-per-address"),
            (max_clients_per_user, "max-clients-per-user"),
        ] {
            if let Some(most) = most {
                lines.option(name, most.to_string());
            }
        }
        lines.option("max-request", shown(*max_request));
        lines.option("max-memory", shown(*max_memory));
        lines.option("request-timeout", duration(*request_timeout));
        lines.option("idle", duration(*idle));
    }
}

fn shutdown_lines(shutdown: &ShutdownArgs, lines: &mut Lines) {
    let ShutdownArgs { drain, handover } = shutdown;
    lines.option("drain", duration(*drain));
    if let Some(path) = handover {
        lines.option(
            "handover",
            [b"unix:", path.as_os_str().as_encoded_bytes()].concat(),
        );
    }
}

/// An option as it can be given.
struct Given {
    name: &'static str,
    value: Option<Vec<u8>>,
}

#[derive(Default)]
struct Lines(Vec<Given>);

impl Lines {
    fn option(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        let value = Some(value.as_ref().to_vec());
        self.0.push(Given { name, value });
    }
}

/// A service with all its fields.
fn described(service: &Service) -> Vec<u8> {
    let Service {
        name,
        endpoint,
        backend,
        timeout,
        ..
    } = service;
    let (priority, weight, timeout) = (backend.priority, backend.weight, duration(*timeout));
    let rest = format!("={endpoint}:{priority}:{weight}:{timeout}");
    [name, rest.as_bytes()].concat()
}

/// A duration as it can be given.
pub(super) fn duration(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_nanos()) {
        (seconds, 0) => format!("{seconds}s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        (seconds, nanos) => {
            let text = format!("{seconds}.{nanos:09}");
            format!("{}s", text.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use proptest::{prelude::*, sample::subsequence};

    use super::*;

    /// What a command line comes to, as a command line.
    fn effective(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let words = words.into_iter().map(OsString::from_vec);
        let options = Options::parse(words, false).unwrap();
        let services = Services::parse(&options);
        let effective = Effective {
            options: &options,
            services: &services,
            workers: options.daemon(0).workers(),
            max_clients: options.is_daemon.then(|| {
                let most = options.limits.max_clients;
                most.map_or(1000, usize::from)
            }),
        };
        let word = |Given { name, value }: Given| match value {
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

        #[test]
        fn a_duration_is_read_as_it_is_written(millis in 0_u64..86_400_000, nanos in 0_u32..1_000_000) {
            for time in [
                Duration::from_millis(millis),
                Duration::from_millis(millis) + Duration::from_nanos(nanos.into()),
                Duration::from_secs(millis / 1000),
            ] {
                prop_assert_eq!(crate::args::parse_duration(&duration(time)), Ok(time));
            }
        }
    }

    fn bytes(words: Vec<&str>) -> Vec<Vec<u8>> {
        words
            .into_iter()
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    /// Any options, each with a value that is valid, or a service's field that is not.
    fn command_line() -> impl Strategy<Value = Vec<Vec<u8>>> {
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
