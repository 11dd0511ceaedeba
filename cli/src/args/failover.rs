//! Options on who is asked, and on what happens when a service fails.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use policy_daemon::command_line::parse_duration;
use policy_flow::{Retry, Strategy};
use policy_ha::Mode;
use policy_proto::{InvalidResponse, Response};
use policy_proxy::options::{CheckOptions, GroupOptions, parse_mode};

use super::{BOTH, DAEMON, values::positive_duration};

/// The part of [`Arguments`](crate::args::Arguments) on who is asked, and on what happens when a service fails.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = BOTH)]
#[non_exhaustive]
pub struct FailoverArgs {
    /// The longest that a request may take in all, below Postfix's 100 s
    ///
    /// It has to be below Postfix's `smtpd_policy_service_timeout`, and should be at least 5 seconds for each service.
    /// A duration is a number with a unit: `200ms`, `10s`, `2m`, `1h`.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = positive_duration)]
    pub deadline: Duration,
    /// Who is asked among the services of one priority that are up
    ///
    /// With `round-robin` they take turns by weight. With `least-loaded` it is the one with the fewest connections of
    /// this process in use, for its weight. With `hash:` the same values of these attributes go to the same service as
    /// long as it is up, from every process and machine with services of the same names. Letters count as lower case;
    /// requests without any of the values take turns. The page docs/balancing.md says which strategy suits which kind
    /// of policy server.
    #[arg(
        long,
        value_name = "round-robin|least-loaded|hash:ATTRIBUTE[,ATTRIBUTE...]",
        default_value = "round-robin",
        value_parser = str::parse::<Strategy>
    )]
    pub balance: Strategy,
    /// When a request that one server has failed is put to the next: always, or only if the first one
    /// certainly has not read it to its end
    ///
    /// With `unsent` a request that a server may have read to its end is not put to another one: it gets the default
    /// action. Policy servers that count may else count it twice. By default a request is put to the
    /// next, since an answer is worth more to most. The manual says what can be known.
    #[arg(long, value_name = "always|unsent", default_value = "always", value_parser = retry)]
    pub retry: Retry,
    /// The longest that a request may take with services that are down, once no other is left: 0s asks
    /// none of them
    ///
    /// The time is for all attempts at services that are not yet due for a trial together. A service that refuses
    /// costs nothing of it, and one that is up again mostly answers within it. With `0s` a request gets the default
    /// action at once; `90s`, the deadline, tries to the end. A trial that is due has its full time.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub last_resort: Duration,
    /// Connections to each service at once: fewer than it has processes, if it serves one connection
    /// with each
    ///
    /// A server with a process for each connection lets those wait for which it has none: stay below the number at
    /// which it stops, as with 45 for policyd-weight and mtpolicyd, which stop at 50. A service whose connections are
    /// all in use for a second is passed over, and does not count as down for that.
    #[arg(long, value_name = "N", default_value = "100", value_parser = connections)]
    pub max_connections: usize,
    /// How old a connection to a service may get: an older one is not used again
    ///
    /// So connections follow a name, a load balancer or an address that has moved.
    #[arg(long, help_heading = DAEMON, value_name = "DURATION", default_value = "300s", value_parser = positive_duration)]
    pub max_age: Duration,
    /// How long an unused connection to a service is kept, or to that of this name: 0s closes it after each
    /// answer [default: 60s]; may be repeated
    ///
    /// That is below the idle limits of the usual servers. `0s` is for a server that ends when it is asked
    /// after an idle time.
    #[arg(long, help_heading = DAEMON, value_name = "[NAME=]DURATION", value_parser = keep)]
    pub keep: Vec<(Option<String>, Duration)>,
    /// How many failures in a row take a service down
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_failures: u32,
    /// What a service may be asked: drain is the rest of the messages that it has begun, disabled
    /// nothing; may be repeated
    ///
    /// The default is `enabled`: everything. For `drain` the option `--affinity message` is needed. The last one for a
    /// name counts.
    #[arg(long, value_name = "NAME=enabled|drain|disabled", value_parser = mode)]
    pub mode: Vec<(String, Mode)>,
    /// The actions that a service may answer with: words of access(5), 4xx, 5xx, codes, names of
    /// restrictions; another answer counts as an invalid one [default: any]; may be repeated
    ///
    /// `4xx` and `5xx` are all codes, a code is such as `450`, and restrictions and restriction classes have no
    /// arguments here. Case does not matter. An answer is read as Postfix reads it; of a list of restrictions each has
    /// to be allowed. For another answer the next service is asked, and the log says what was answered. By default a
    /// service may answer with anything, also with `REDIRECT`, which sends the mail to somebody else. The last one for
    /// a name counts. A service whose list cannot be read is left out with a warning; a daemon does not start.
    #[arg(long, value_name = "NAME=LIST", value_parser = named)]
    pub actions: Vec<(String, String)>,
    /// Print all that is effective in the form in which it can be given, and end: with 0, or with 78
    /// if something is invalid. It binds nothing
    ///
    /// The first line says the mode, and each other one is an option. On standard error it says what is invalid, and
    /// warns of what is probably not meant: a default action that Postfix does not know, or that skips restrictions; a
    /// deadline above Postfix's 100 s, or below 5 s for each service; an attribute for `--balance` that Postfix does
    /// not send; a service that is the daemon's own listener; a `--mode` that leaves no service for new messages; a
    /// `--probe` with side effects. It also says at which addresses and paths a start fails, and warns where that depends
    /// on the machine, or on the rights of who starts it.
    #[arg(long)]
    pub check_config: bool,
    /// With --check-config, end with 78 also where there is something to warn of
    #[arg(long)]
    pub strict: bool,
    /// With --check-config, print only what is wrong or probably not meant
    ///
    /// This suits the start of a unit.
    #[arg(long)]
    pub quiet: bool,
    /// Open a connection to services that are down at this interval [default: off]
    ///
    /// A service that could not be connected to is up again when that succeeds, and the connection is kept for the
    /// next request. By default requests find that out.
    #[arg(long, help_heading = DAEMON, value_name = "DURATION", value_parser = positive_duration)]
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
    /// interval of --health-check [default: off]
    ///
    /// Services that are down for whatever reason are asked. The blank line of the request is optional. It is off by
    /// default, since a request has side effects: a policy server may count it.
    #[arg(long, help_heading = DAEMON, value_name = "FILE")]
    pub probe: Option<PathBuf>,
    /// The action that answers the probe of a service that works [default: any]
    ///
    /// Without a text after the action any text will do, and case does not matter.
    #[arg(long, help_heading = DAEMON, value_name = "ACTION", requires = "probe", value_parser = action)]
    pub probe_action: Option<Response>,
}

/// The two meanings of `--check`.
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

    /// How services that are down are to be looked at, if they are.
    pub(super) fn check_options(&self) -> Option<CheckOptions> {
        Some(CheckOptions {
            interval: self.interval()?,
            probe: self.probe.clone(),
            probe_action: self.probe_action.clone(),
        })
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

    /// How long unused connections to services are kept of which `--keep` does not say more.
    pub(crate) fn keep_of_all(&self) -> Option<Duration> {
        let mut of_all = self.keep.iter().filter(|(name, _)| name.is_none());
        of_all.next_back().map(|(_, keep)| *keep)
    }

    /// A line about an option that has no use without another.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.probe.is_some() && self.interval().is_none() {
            Some("--probe needs an interval: --health-check DURATION, or --check DURATION")
        } else if self.strict && !self.only_checks() {
            Some("--strict belongs to --check-config, which is missing")
        } else if self.quiet && !self.only_checks() {
            Some("--quiet belongs to --check-config, which is missing")
        } else {
            None
        }
    }
}

impl Default for FailoverArgs {
    fn default() -> Self {
        let group = GroupOptions::default();
        Self {
            deadline: group.deadline,
            balance: group.balance,
            retry: group.retry,
            last_resort: group.last_resort,
            max_connections: group.max_connections,
            max_age: group.max_age,
            keep: Vec::new(),
            max_failures: group.max_failures,
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

/// The time, of all services or of one.
fn keep(text: &str) -> Result<(Option<String>, Duration), String> {
    match text.rsplit_once('=') {
        Some((name, time)) => Ok((Some(name.to_owned()), parse_duration(time)?)),
        None => Ok((None, parse_duration(text)?)),
    }
}

fn mode(text: &str) -> Result<(String, Mode), &'static str> {
    let (name, mode) = text.split_once('=').ok_or("not NAME=MODE")?;
    let mode = parse_mode(mode).ok_or("none of enabled, drain, disabled")?;
    Ok((name.to_owned(), mode))
}

/// A name and a list, which is looked at with the services: a bad one is as bad as a bad service.
fn named(text: &str) -> Result<(String, String), &'static str> {
    let (name, list) = text.split_once('=').ok_or("not NAME=LIST")?;
    Ok((name.to_owned(), list.to_owned()))
}

/// The value of `--check`, or nothing.
fn check(text: &str) -> Result<Checking, String> {
    match text {
        "" => Ok(Checking::CommandLine),
        text => positive_duration(text).map(Checking::Services),
    }
}

fn action(text: &str) -> Result<Response, InvalidResponse> {
    Response::new(text.to_owned())
}
