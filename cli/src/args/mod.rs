//! The command line of hapolicy.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

use clap::{
    ArgAction, ArgMatches, Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use policy_daemon::{MAX_WORKERS, log::LogTarget};
use policy_proxy::{
    config::{Config, Findings},
    options::{Affinity, DefaultAction, Detail},
};

mod clients;
pub use clients::ClientArgs;

mod config;
pub use config::ConfigArgs;

mod daemon_only;
pub(crate) use daemon_only::is_of_a_daemon;

mod headings;
use headings::{BOTH, DAEMON};

mod failover;
pub use failover::{Checking, FailoverArgs};

mod groups;
use groups::FileGroups;

mod log;
pub use log::LogArgs;

mod network;
mod options;
mod parse;
mod perl;

mod shutdown;
pub use shutdown::ShutdownArgs;

mod usage;

mod values;
use values::unix_path;

mod with_file;

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
pub struct Arguments {
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
    /// Log everything: attributes, connections, answers, and what -l logs. With =CATEGORY[,CATEGORY] log requests,
    /// services or connections
    ///
    /// `requests` are the attributes of each request and its action, `services` the answers and the failed attempts, and
    /// `connections` those that are opened to services. So `-v=services,connections` says what services do, and nothing
    /// of the mail. The lines of `-l` come with it only where `-l` is given.
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
    #[arg(
        long,
        value_name = "none|message",
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(Affinity::ALL.map(Affinity::name)).try_map(affinity)
    )]
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
    /// The log of a daemon.
    #[command(flatten)]
    pub log: LogArgs,
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
    /// The categories of `-v=`.
    #[arg(skip)]
    pub categories: Detail,
    /// Whether this is a daemon: with `--listen`, or with sockets of a service manager.
    #[arg(skip)]
    pub is_daemon: bool,
    /// An option that only a daemon has, and that was given.
    #[arg(skip)]
    pub(crate) daemon_option: Option<String>,
    /// What the configuration file says, if there is one.
    #[arg(skip)]
    pub(crate) file: Option<Config>,
    /// What a file says of groups of services.
    #[arg(skip)]
    pub(crate) groups: FileGroups,
    /// The whole command line.
    #[arg(skip)]
    pub(crate) words: Vec<OsString>,
    /// The words of the options as they were given, if some are not the Perl script's.
    #[arg(skip)]
    pub(crate) given: Option<ArgMatches>,
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

impl Arguments {
    /// Where a daemon's log goes.
    #[must_use]
    pub const fn log_target(&self) -> LogTarget {
        if self.stdout {
            LogTarget::Stdout
        } else {
            self.log.log_to
        }
    }

    /// What is logged beside the usual lines.
    #[must_use]
    pub const fn detail(&self) -> Detail {
        if self.verbose {
            Detail::ALL
        } else {
            self.categories
        }
    }
}

/// One of the possible values of `--affinity`.
fn affinity(name: String) -> Result<Affinity, &'static str> {
    let known = Affinity::ALL.into_iter().find(|known| known.name() == name);
    known.ok_or("no affinity")
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
