//! Options on who is asked, and what happens when a service fails.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use policy_flow::{Check, Probe, Retry, Strategy, UpstreamOptions};
use policy_ha::Mode;
use policy_proto::{InvalidResponse, Request, Response};

use crate::args::parse_duration;

/// Who is asked, and what happens when a service fails: a part of [`Options`](crate::args::Options).
#[derive(Args, Clone, Debug)]
#[non_exhaustive]
pub struct FailoverArgs {
    /// Who is asked among the services of one priority that are up
    #[arg(
        long,
        value_name = "round-robin|least-loaded|hash:ATTRIBUTE[,ATTRIBUTE...]",
        default_value = "round-robin",
        value_parser = str::parse::<Strategy>
    )]
    pub balance: Strategy,
    /// When a request that one server has failed is put to the next: always, or only if the first one
    /// certainly has not read it to its end
    #[arg(long, value_name = "always|unsent", default_value = "always", value_parser = retry)]
    pub retry: Retry,
    /// The longest that a request may take with services that are down, once no other is left: 0s asks
    /// none of them
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub last_resort: Duration,
    /// Connections to each service at once: fewer than it has processes, if it serves one connection
    /// with each
    #[arg(long, value_name = "N", default_value = "100", value_parser = connections)]
    pub max_connections: usize,
    /// How old a connection to a service may get: an older one is not used again
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = max_age)]
    pub max_age: Duration,
    /// How long an unused connection to a service is kept, or to that of this name: 0s closes it after each
    /// answer [default: 60s]; may be repeated
    #[arg(long, value_name = "[NAME=]DURATION", value_parser = keep)]
    pub keep: Vec<(Option<String>, Duration)>,
    /// How many failures in a row take a service down
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_failures: u32,
    /// What a service may be asked: drain is the rest of the messages that it has begun, disabled
    /// nothing; may be repeated
    #[arg(long, value_name = "NAME=enabled|drain|disabled", value_parser = mode)]
    pub mode: Vec<(String, Mode)>,
    /// The actions that a service may answer with: words of access(5), 4xx, 5xx, codes, names of
    /// restrictions; another answer counts as an invalid one [default: any]; may be repeated
    #[arg(long, value_name = "NAME=LIST", value_parser = named)]
    pub actions: Vec<(String, String)>,
    /// Print all that is effective in the form in which it can be given, and end: with 0, or with 78
    /// if something is invalid. It binds nothing
    #[arg(long)]
    pub check_config: bool,
    /// With --check-config, end with 78 also where there is something to warn of
    #[arg(long)]
    pub strict: bool,
    /// With --check-config, print only what is wrong or probably not meant
    #[arg(long)]
    pub quiet: bool,
    /// Open a connection to services that are down at this interval
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub health_check: Option<Duration>,
    /// The older spelling: with a DURATION that of --health-check, without one that of --check-config
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = check
    )]
    pub check: Vec<Checking>,
    /// Ask services that are down the request in this file, instead of only connecting, at the
    /// interval of --health-check
    #[arg(long, value_name = "FILE")]
    pub probe: Option<PathBuf>,
    /// The action that answers the probe of a service that works [default: any]
    #[arg(long, value_name = "ACTION", requires = "probe", value_parser = action)]
    pub probe_action: Option<Response>,
}

/// What a `--check` asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checking {
    /// To look at the command line, and end.
    CommandLine,
    /// To look at services that are down, so often.
    Services(Duration),
}

impl FailoverArgs {
    /// Whether the command line is to be looked at, and no more.
    #[must_use]
    pub fn only_checks(&self) -> bool {
        self.check_config || self.check.contains(&Checking::CommandLine)
    }

    /// How services that are down are to be looked at, if they are; with this request of a probe.
    #[must_use]
    pub fn checks(&self, probe: Option<Request>) -> Option<Check> {
        let mut check = Check::new(self.interval()?);
        check.probe = probe.map(Probe::new);
        if let Some(action) = &self.probe_action {
            check.probe = check.probe.map(|probe| probe.expecting(action.clone()));
        }
        Some(check)
    }

    /// How often services that are down are to be looked at, if they are.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let interval = |check: &Checking| match check {
            Checking::CommandLine => None,
            Checking::Services(every) => Some(*every),
        };
        // Of an option that is repeated the last one counts.
        self.health_check
            .or_else(|| self.check.iter().rev().find_map(interval))
    }

    /// An option that has no use without another.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        match () {
            () if self.probe.is_some() && self.interval().is_none() => {
                Some("--probe needs an interval: --health-check DURATION, or --check DURATION")
            }
            () if self.strict && !self.only_checks() => {
                Some("--strict belongs to --check-config, which is missing")
            }
            () if self.quiet && !self.only_checks() => {
                Some("--quiet belongs to --check-config, which is missing")
            }
            () => None,
        }
    }
}

impl Default for FailoverArgs {
    /// What holds without any option; a test compares it with clap's.
    fn default() -> Self {
        let UpstreamOptions {
            strategy,
            retry,
            last_resort,
            max_connections,
            max_age,
            balancer,
            ..
        } = UpstreamOptions::default();
        Self {
            balance: strategy,
            retry,
            last_resort,
            max_connections,
            max_age,
            keep: Vec::new(),
            max_failures: balancer.max_failures,
            mode: Vec::new(),
            actions: Vec::new(),
            check_config: false,
            strict: false,
            quiet: false,
            health_check: None,
            check: Vec::new(),
            probe: None,
            probe_action: None,
        }
    }
}

fn retry(text: &str) -> Result<Retry, &'static str> {
    match text {
        "always" => Ok(Retry::Always),
        "unsent" => Ok(Retry::Unsent),
        _ => Err("neither always nor unsent"),
    }
}

fn connections(text: &str) -> Result<usize, &'static str> {
    match text.parse::<u16>() {
        Ok(number @ 1..) => Ok(number.into()),
        _ => Err("not between 1 and 65535"),
    }
}

fn max_age(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        age => Ok(age),
    }
}

/// The time, of all services or of one.
fn keep(text: &str) -> Result<(Option<String>, Duration), String> {
    match text.rsplit_once('=') {
        Some((name, time)) => Ok((Some(name.to_owned()), parse_duration(time)?)),
        None => Ok((None, parse_duration(text)?)),
    }
}

fn mode(text: &str) -> Result<(String, Mode), &'static str> {
    let (name, mode) = text.split_once('=').ok_or("not NAME=MODE")?;
    let mode = match mode {
        "enabled" => Mode::Enabled,
        "drain" => Mode::Drain,
        "disabled" => Mode::Disabled,
        _ => return Err("none of enabled, drain, disabled"),
    };
    Ok((name.to_owned(), mode))
}

/// What the list holds is looked at with the services: a bad one is as bad as a bad service.
fn named(text: &str) -> Result<(String, String), &'static str> {
    let (name, list) = text.split_once('=').ok_or("not NAME=LIST")?;
    Ok((name.to_owned(), list.to_owned()))
}

/// The value of `--check`, or nothing.
fn check(text: &str) -> Result<Checking, String> {
    match text {
        "" => Ok(Checking::CommandLine),
        text => interval(text).map(Checking::Services),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        every => Ok(every),
    }
}

fn action(text: &str) -> Result<Response, InvalidResponse> {
    Response::new(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        failover: FailoverArgs,
    }

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let parsed = Command::try_parse_from(["hapolicy"]).unwrap().failover;
        assert_eq!(
            format!("{parsed:?}"),
            format!("{:?}", FailoverArgs::default())
        );
    }
}
