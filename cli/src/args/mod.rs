//! The command line of hapolicy.

use std::{ffi::OsString, num::NonZeroUsize, os::unix::ffi::OsStrExt, time::Duration};

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};
use policy_daemon::{DaemonOptions, log::LogTarget};

use daemon_only::daemon_option;
use perl::WrongWord;
use usage::long_option;

mod clients;
mod daemon_only;
mod default_action;
mod failover;
mod log_format;
pub(crate) mod perl;
mod probe;
mod service;
mod shutdown;
mod usage;
mod values;

pub use clients::ClientArgs;
pub(crate) use clients::shown;
pub use default_action::DefaultAction;
pub use failover::{Checking, FailoverArgs};
pub use log_format::LogFormat;
pub use probe::InvalidProbe;
pub(crate) use probe::read_probe;
pub use service::{InvalidService, Service};
pub use shutdown::ShutdownArgs;
pub use usage::usage_line;
pub use values::parse_duration;

/// hapolicy's command line.
///
/// The options of the Perl script are read by its own rules (`getopt.rs`) and taken out before clap
/// sees the rest; they stand here for the help text.
#[derive(Debug, Parser)]
#[command(
    name = "hapolicy",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    long_about = None,
    about = "Failover and load balancing for Postfix policy servers",
    after_help = "Without --listen, one connection on standard input and output is served, as under \
                  Postfix's spawn(8). See hapolicy(1)."
)]
#[non_exhaustive]
pub struct Options {
    /// The policy servers, each in the syntax of [`Service`](crate::args::Service).
    #[arg(
        short,
        long = "service",
        value_name = "SERVICE",
        help = "A policy server: NAME=ADDR[:PRIO[:WEIGHT[:TIMEOUT]]]. ADDR is host:port, [v6]:port or \
                unix:/path. Repeatable"
    )]
    pub services: Vec<OsString>,
    /// The action when no server answers; close gives none, and closes the connection
    /// [default: dunno]
    #[arg(short, long, value_name = "ACTION", value_parser = no_value)]
    pub default: Option<DefaultAction>,
    /// Log each attempt
    #[arg(short, long)]
    pub logging: bool,
    /// Log everything
    #[arg(short, long)]
    pub verbose: bool,
    /// Log to standard output instead of syslog
    #[arg(short = 'L', long)]
    pub stdout: bool,
    /// A daemon's line of -l: one per request, as key=value; or the Perl script's, one per attempt
    #[arg(long, value_name = "FORMAT", default_value = "key-value")]
    pub log_format: LogFormat,
    /// Where any number of connections is served, each in the syntax of [`ListenAddr`](policy_daemon::ListenAddr).
    #[arg(
        long,
        value_name = "ENDPOINT",
        help = "Serve any number of connections here: inet:HOST:PORT or \
                unix:/path[,mode=0660][,owner=USER][,group=GROUP]. Repeatable"
    )]
    pub listen: Vec<String>,
    /// Run as this user once the sockets are bound
    #[arg(long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Threads that serve connections, 64 at most [default: 1, which serves tens of thousands of requests a second]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub workers: Option<NonZeroUsize>,
    /// The longest that a request may take in all, below Postfix's 100 s
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = deadline)]
    pub deadline: Duration,
    /// What clients are granted.
    #[command(flatten)]
    pub limits: ClientArgs,
    /// How it ends.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
    /// Whether this is a daemon: with `--listen`, or with sockets of a service manager.
    #[arg(skip)]
    pub is_daemon: bool,
    /// An option that only a daemon has.
    #[arg(skip)]
    pub(crate) daemon_option: Option<String>,
    /// Whether the requests of one message go to the same server [default: message with --listen,
    /// else none]
    #[arg(long, value_name = "WHAT")]
    pub affinity: Option<Affinity>,
    /// Who is asked, and what happens when a service fails.
    #[command(flatten)]
    pub failover: FailoverArgs,
    // Long forms only: `-h` and `-V` are unknown options to the Perl script.
    #[arg(long, action = ArgAction::HelpShort, help = "Print this help")]
    pub(crate) help: (),
    #[arg(long, action = ArgAction::Version, help = "Print the version")]
    pub(crate) version: (),
}

/// What keeps requests together.
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
        let mut options = Self::parse_words(words).map_err(|stop| Stopped { stop, is_daemon })?;
        options.is_daemon = passed || !options.listen.is_empty();
        // It is looked at without the sockets of a service manager.
        if let Some(option) = &options.daemon_option
            && !options.is_daemon
            && !options.failover.only_checks()
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
        match options.failover.missing() {
            Some(text) => Err(Stopped {
                stop: Stop::Usage(text.to_owned()),
                is_daemon,
            }),
            None => Ok(options),
        }
    }

    /// The options of the daemon, with so many services.
    pub(crate) fn daemon(&self, services: usize) -> DaemonOptions {
        let mut daemon = DaemonOptions::new(NAME);
        daemon.log = if self.stdout {
            LogTarget::Stdout
        } else {
            LogTarget::Syslog
        };
        daemon.listen.clone_from(&self.listen);
        daemon.allow.clone_from(&self.limits.allow);
        daemon.max_clients = self.limits.max_clients;
        daemon.workers = self.workers.unwrap_or(NonZeroUsize::MIN);
        daemon.user.clone_from(&self.user);
        daemon.drain = self.shutdown.drain;
        daemon.handover.clone_from(&self.shutdown.handover);
        daemon.reserved_fds = services * self.failover.max_connections;
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
            Self::plain()
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

    fn plain() -> Self {
        Self {
            services: Vec::new(),
            default: None,
            logging: false,
            verbose: false,
            stdout: false,
            log_format: LogFormat::KeyValue,
            listen: Vec::new(),
            user: None,
            workers: None,
            deadline: DEADLINE,
            limits: ClientArgs::default(),
            shutdown: ShutdownArgs::default(),
            is_daemon: false,
            daemon_option: None,
            affinity: None,
            failover: FailoverArgs::default(),
            help: (),
            version: (),
        }
    }

    fn extended(words: Vec<OsString>) -> Result<Self, Stop> {
        let name = std::iter::once(OsString::from("hapolicy"));
        let parsed = Self::command()
            .try_get_matches_from(name.chain(words))
            .and_then(|matches| {
                let mut options = Self::from_arg_matches(&matches)?;
                options.daemon_option =
                    daemon_option(&Self::command(), &matches, &options.failover);
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

/// `--default` is taken out by `getopt`, so that clap never has a value to parse.
fn no_value(_: &str) -> Result<DefaultAction, String> {
    Err("taken before".to_owned())
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let number = text
        .parse()
        .map_err(|_| "not a number above 0".to_owned())?;
    match usize::from(number) {
        ..=MOST_WORKERS => Ok(number),
        _ => Err(format!("more than {MOST_WORKERS}")),
    }
}

fn deadline(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        deadline if deadline.is_zero() => Err("must be longer than nothing".to_owned()),
        deadline => Ok(deadline),
    }
}

/// The name of the program in the log.
pub const NAME: &str = "hapolicy";
/// Far more than any machine has a use for: 64 are started at most.
const MOST_WORKERS: usize = 1024;
/// Ten seconds before Postfix gives up.
const DEADLINE: Duration = Duration::from_secs(90);
