//! The command line of hapolicy.

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum, parser::ValueSource,
};
use policy_daemon::{DaemonOptions, command_line::usage_line, log::LogTarget};

use perl::WrongWord;
use usage::long_option;

use crate::config::{Config, Findings};

mod clients;
pub use clients::ClientArgs;

mod config;
pub use config::ConfigArgs;

mod daemon_only;
pub(crate) use daemon_only::is_of_a_daemon;
use daemon_only::{BOTH, DAEMON};

mod default_action;
pub use default_action::DefaultAction;

mod failover;
pub use failover::{Checking, FailoverArgs};

mod log_format;
pub use log_format::LogFormat;

mod network;
mod perl;

mod probe;
pub use probe::InvalidProbe;
pub(crate) use probe::read_probe;

mod service;
pub use service::{InvalidService, Service};

mod shutdown;
pub use shutdown::ShutdownArgs;

mod usage;

mod values;
use values::unix_path;
pub(crate) use values::{shown_duration, shown_size};

/// hapolicy's command line.
///
/// This is the one description of each option: its first paragraph is the help text, and with those that follow it is the
/// section of the manual page. `--check-config` prints options by it, too.
///
/// The options of the Perl script are read by its own rules (`perl.rs`) and taken out before clap
/// sees the rest; they stand here for the help text.
#[derive(Clone, Debug, Default, Parser)]
#[allow(rustdoc::broken_intra_doc_links, reason = "help texts are no Markdown")]
#[command(
    name = "hapolicy",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    long_about = None,
    about = "Failover and load balancing for Postfix policy servers",
    after_help = "Without --listen, one connection on standard input and output is served, as under \
                  Postfix's spawn(8). See hapolicy(1).",
    next_help_heading = BOTH
)]
#[non_exhaustive]
pub struct Options {
    /// A policy server: NAME=ADDR[:PRIO[:WEIGHT[:TIMEOUT]]]. ADDR is host:port, [v6]:port or unix:/path. May be
    /// repeated
    ///
    /// There may be 64 of them, in the syntax of the section SERVICES.
    #[arg(short, long = "service", value_name = "SERVICE")]
    pub services: Vec<OsString>,
    /// The action when no server answers; close gives none, and closes the connection
    /// [default: dunno]
    ///
    /// Requests that are not `smtpd_access_policy` get it, too. The last one counts. It must not be blank and must not
    /// contain NUL, CR or LF. The word `close` alone is no action: the connection is closed, and Postfix takes its own
    /// `default_action` for this server, after a second try.
    #[arg(short, long, value_name = "ACTION", value_parser = no_value)]
    pub default: Option<DefaultAction>,
    /// Log each attempt in a line; as a daemon, each request
    #[arg(short, long)]
    pub logging: bool,
    /// Log everything: attributes, connections, answers, and what -l logs
    #[arg(short, long)]
    pub verbose: bool,
    /// Log to standard output instead of syslog
    ///
    /// It is not to be used under spawn(8).
    #[arg(short = 'L', long)]
    pub stdout: bool,
    /// Whether the requests of one message go to the same server [default: message for a daemon, else none]
    ///
    /// With `message` the requests of one message, by their `instance`, go to the server that answered the last of
    /// them, as long as it is up.
    #[arg(long, value_name = "none|message", hide_possible_values = true)]
    pub affinity: Option<Affinity>,
    /// Serve any number of connections here: inet:HOST:PORT or unix:/path[,mode=0660][,owner=USER][,group=GROUP].
    /// May be repeated
    ///
    /// Port 0 has the system choose one, which is logged. A UNIX socket that nobody listens on is replaced. A daemon
    /// closes a connection at the first line that is no attribute (NAME=VALUE), with a warning and without an answer.
    #[arg(long, help_heading = DAEMON, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// Show metrics and health over HTTP here, in the syntax of --listen. May be repeated
    ///
    /// `/` shows the state as a page for a browser. `/metrics` has Prometheus' text format, and OpenMetrics for a client that asks for it. `/healthz` says 200 as long
    /// as the process serves. `/readyz` says 200 while new mail is looked after, and 503 with the reason while the daemon
    /// stops, or where every service is down or may not be asked. Nothing can be changed here. A thread of its own serves
    /// it. An address that is not on loopback needs `--allow`, as with `--listen`.
    #[arg(long, help_heading = DAEMON, value_name = "ENDPOINT")]
    pub admin: Vec<String>,
    /// Take commands of `hapolicy ctl` over this UNIX socket
    ///
    /// Its mode is 0600. Root and the user of `--user` may use it, others are refused, with a warning. See the section
    /// CONTROL.
    #[arg(long, help_heading = DAEMON, value_name = "unix:/PATH", value_parser = unix_path)]
    pub control: Option<PathBuf>,
    /// Run as this user once the sockets are bound [default: no change]
    #[arg(long, help_heading = DAEMON, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Threads that serve connections, 64 at most [default: 1, which serves tens of thousands of requests a second]
    ///
    /// Each keeps connections to the services of its own.
    #[arg(long, help_heading = DAEMON, value_name = "N", value_parser = workers)]
    pub workers: Option<NonZeroUsize>,
    /// The line of -l: one per request, as key=value; or the Perl script's, one per attempt
    #[arg(long, help_heading = DAEMON, value_name = "key-value|classic", default_value = "key-value", hide_possible_values = true)]
    pub log_format: LogFormat,
    /// The limits of clients.
    #[command(flatten)]
    pub limits: ClientArgs,
    /// The end of a daemon.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
    /// The choice of services.
    #[command(flatten)]
    pub failover: FailoverArgs,
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,
    // Long forms only: `-h` and `-V` are unknown options to the Perl script.
    #[arg(long, action = ArgAction::HelpShort, help = "Print this help")]
    pub(crate) help: (),
    #[arg(long, action = ArgAction::Version, help = "Print the version")]
    pub(crate) version: (),
    /// Whether this is a daemon: with `--listen`, or with sockets of a service manager.
    #[arg(skip)]
    pub is_daemon: bool,
    /// An option that only a daemon has, and that was given.
    #[arg(skip)]
    pub(crate) daemon_option: Option<String>,
    /// What the configuration file says, if there is one.
    #[arg(skip)]
    pub(crate) file: Option<Config>,
    /// The whole command line.
    #[arg(skip)]
    pub(crate) words: Vec<OsString>,
    /// The words of the options as they were given, if some are not the Perl script's.
    #[arg(skip)]
    pub(crate) given: Option<ArgMatches>,
}

/// The affinity of requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Affinity {
    /// Each request is on its own.
    None,
    /// The requests of one message, by their `instance`, go to the server that answered the last.
    Message,
}

/// How a command line ends the process before it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stop {
    /// `--help` or `--version`: the text for standard output.
    Show(String),
    /// A wrong command line: one line for standard error.
    Usage(String),
    /// A wrong configuration file.
    Config(Findings),
}

/// The end of a process at its command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stopped {
    /// The way in which it ends.
    pub stop: Stop,
    /// Whether the command line is a daemon's, which decides on the exit status.
    pub is_daemon: bool,
}

impl Options {
    /// Reads the words of a command line, the program's name not among them; `passed` says whether a
    /// service manager has passed listening sockets.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub fn parse(words: impl IntoIterator<Item = OsString>, passed: bool) -> Result<Self, Stopped> {
        let words: Vec<OsString> = words.into_iter().collect();
        let listens = |word: &OsString| word.as_bytes().starts_with(b"--listen");
        let is_daemon = passed || words.iter().any(listens);
        let stopped = |stop| Stopped { stop, is_daemon };
        let mut options = Self::parse_words(words.clone()).map_err(stopped)?;
        options.words = words;
        match options.config.config.clone() {
            Some(path) => options.with_file(&path, passed).map_err(stopped),
            None => options.checked(passed),
        }
    }

    /// The settings of a file, with what stands beside it.
    fn with_file(self, path: &Path, passed: bool) -> Result<Self, Stop> {
        if let Some(option) = self.option_beside_file() {
            let text = format!("{option} belongs into the file that --config names");
            return Err(Stop::Usage(text));
        }
        let file = Config::read(path).map_err(Stop::Config)?;
        let options = Self::parse_words(file.words.clone());
        let options = options.and_then(|options| {
            let options = options.looked_at_as(&self);
            options.checked(passed).map_err(|stopped| stopped.stop)
        });
        let mut options = options.map_err(|stop| match stop {
            Stop::Usage(text) => Stop::Config(file.refuse(&text)),
            stop => stop,
        })?;
        options.config.config = file.path();
        options.file = Some(file);
        Ok(options)
    }

    /// These settings, to be looked at or logged about as another command line says.
    fn looked_at_as(self, other: &Self) -> Self {
        Self {
            logging: self.logging || other.logging,
            verbose: self.verbose || other.verbose,
            stdout: self.stdout || other.stdout,
            config: other.config.clone(),
            words: other.words.clone(),
            failover: FailoverArgs {
                check_config: other.failover.only_checks(),
                strict: other.failover.strict,
                quiet: other.failover.quiet,
                ..self.failover
            },
            ..self
        }
    }

    /// The first option that was given and may not stand beside a file.
    fn option_beside_file(&self) -> Option<String> {
        if !self.services.is_empty() {
            return Some("-s".to_owned());
        }
        if self.default.is_some() {
            return Some("-d".to_owned());
        }
        let matches = self.given.as_ref()?;
        let command = Self::command();
        let mut given = command.get_arguments().filter(|option| {
            let id = option.get_id().as_str();
            let name = option.get_long().unwrap_or_default();
            let checks = |check: &Checking| *check == Checking::CommandLine;
            let is_check = id == "check" && self.failover.check.iter().all(checks);
            matches.value_source(id) == Some(ValueSource::CommandLine)
                && !BESIDE_FILE.contains(&name)
                && !is_check
        });
        let name = given.next()?.get_long()?;
        Some(format!("--{name}"))
    }

    /// These options, if they fit together.
    fn checked(mut self, passed: bool) -> Result<Self, Stopped> {
        let is_daemon = passed || !self.listen.is_empty();
        self.is_daemon = is_daemon;
        // It is looked at without the sockets of a service manager.
        if let Some(option) = &self.daemon_option
            && !is_daemon
            && !self.failover.only_checks()
            && !self.config.only_prints()
        {
            let text = format!(
                "{option} is for a daemon, which needs a listener: --listen ENDPOINT, or sockets of a service \
                 manager"
            );
            return Err(Stopped {
                stop: Stop::Usage(text),
                is_daemon: true,
            });
        }
        let missing = self.failover.missing().or_else(|| self.config.missing());
        if let Some(text) = missing {
            let stop = Stop::Usage(text.to_owned());
            return Err(Stopped { stop, is_daemon });
        }
        Ok(self)
    }

    /// The options of the daemon.
    pub(crate) fn daemon(&self) -> DaemonOptions {
        let mut daemon = DaemonOptions::new(NAME);
        daemon.log = if self.stdout {
            LogTarget::Stdout
        } else {
            LogTarget::Syslog
        };
        daemon.listen.clone_from(&self.listen);
        daemon.admin.clone_from(&self.admin);
        daemon.control.clone_from(&self.control);
        daemon.allow.clone_from(&self.limits.allow);
        daemon.max_clients = self.limits.max_clients;
        daemon.workers = self.workers.unwrap_or(NonZeroUsize::MIN);
        daemon.user.clone_from(&self.user);
        daemon.drain = self.shutdown.drain;
        daemon.handover.clone_from(&self.shutdown.handover);
        daemon.reserved_fds = self.services.len() * self.failover.max_connections;
        daemon
    }

    fn parse_words(words: Vec<OsString>) -> Result<Self, Stop> {
        let classic = perl::parse(words).map_err(|WrongWord { text, word }| {
            let command = Self::command();
            let known = command.get_opts().filter_map(|option| option.get_long());
            match long_option(word.as_bytes(), known.map(str::to_owned)) {
                Some(meant) => Stop::Usage(format!("{text}: did you mean --{meant}?")),
                None => Stop::Usage(text),
            }
        })?;
        // Building clap's command costs more than all the rest of a start under spawn(8).
        let mut options = if classic.rest.is_empty() {
            Self::default()
        } else {
            Self::extended(classic.rest)?
        };
        if let Some(text) = options.limits.fault() {
            return Err(Stop::Usage(text));
        }
        options.services = classic.services;
        options.logging = classic.logging;
        options.verbose = classic.verbose;
        options.stdout = classic.stdout;
        options.default = match classic.default {
            None => None,
            Some(text) => Some(
                DefaultAction::parse(text.as_bytes())
                    .map_err(|error| Stop::Usage(format!("invalid default action: {error}")))?,
            ),
        };
        Ok(options)
    }

    fn extended(words: Vec<OsString>) -> Result<Self, Stop> {
        let name = std::iter::once(OsString::from(NAME));
        let mut command = Self::command();
        let parsed = command
            .try_get_matches_from_mut(name.chain(words))
            .and_then(|matches| {
                let mut options = Self::from_arg_matches(&matches)?;
                options.daemon_option = daemon_only::daemon_option(
                    command.get_arguments(),
                    &matches,
                    &options.failover,
                );
                options.given = Some(matches);
                Ok(options)
            });
        parsed.map_err(|error| {
            if error.use_stderr() {
                Stop::Usage(usage_line(&error))
            } else {
                Stop::Show(error.to_string())
            }
        })
    }
}

/// `--default` is taken out by `perl.rs`, so that clap never has a value to parse.
fn no_value(_: &str) -> Result<DefaultAction, String> {
    Err("taken before".to_owned())
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let number = text
        .parse()
        .map_err(|_| "not a number above 0".to_owned())?;
    match usize::from(number) {
        ..=MAX_WORKERS => Ok(number),
        _ => Err(format!("more than {MAX_WORKERS}")),
    }
}

/// The name of the program in the log.
pub const NAME: &str = "hapolicy";
/// The options that may stand beside a configuration file, which are clap's to read.
const BESIDE_FILE: [&str; 6] = [
    "config",
    "check-config",
    "strict",
    "quiet",
    "show-config",
    "non-default",
];
/// Far more than any machine has a use for: 64 are started at most.
const MAX_WORKERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let mut parsed = Options::extended(Vec::new()).unwrap();
        parsed.given = None;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Options::default()));
    }
}
