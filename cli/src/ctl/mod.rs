//! `hapolicy ctl`: sends a command to a daemon, and prints its answer.

mod top;
mod trace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use policy_daemon::{
    command_line::usage_line,
    control::{ask, fail, finish},
};
use policy_proxy::options::NAME;

/// Sends a command to a running hapolicy, over its --control socket.
#[derive(Debug, Parser)]
#[command(name = "hapolicy ctl", disable_version_flag = true)]
struct Arguments {
    /// The socket of the daemon's --control
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show the daemon and its services
    Status {
        /// One JSON object, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show the services, their requests each second and their latency, again and again
    Top {
        /// How often, then it ends [default: until Ctrl-C]
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Give a service no new messages; what it has begun it may end
    Drain {
        /// Its name
        service: String,
    },
    /// Give a service no requests
    Disable {
        /// Its name
        service: String,
    },
    /// Give a service requests again
    Enable {
        /// Its name
        service: String,
    },
    /// Ask a service that is down now whether it is back
    Try {
        /// Its name
        service: String,
    },
    /// Have the daemon read its configuration file again, and say what came of it
    Reload,
    /// Show what happens to requests, step by step, for a time
    Trace(trace::Arguments),
    /// Change the weight of a service, 1 to 1000
    Weight {
        /// Its name
        service: String,
        /// Its share of the requests, beside those of the same priority
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        weight: u16,
    },
}

impl Command {
    /// The words that the daemon reads.
    fn words(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Status { json: false } => &["status"],
            Self::Status { json: true } | Self::Top { .. } => &["status", "--json"],
            Self::Drain { service } => &["drain", service],
            Self::Disable { service } => &["disable", service],
            Self::Enable { service } => &["enable", service],
            Self::Try { service } => &["try", service],
            Self::Reload => &["reload"],
            Self::Trace(trace) => return trace.command().words(),
            Self::Weight { service, weight } => &["weight", service, &weight.to_string()],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}

/// Carries out the words after `ctl`; the exit status is that of the program: 0, 1 where the daemon refuses, 64 for a wrong
/// command, 69 where no daemon answers, 77 where this user may not ask.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let name = std::iter::once(OsString::from("hapolicy ctl"));
    let arguments = match Arguments::try_parse_from(name.chain(words)) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && error.kind() != NO_ARGUMENTS => {
            return fail(NAME, &usage_line(&error), USAGE);
        }
        Err(error) => {
            // There is nowhere left to report that this failed.
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let done = match &arguments.command {
        // These have printed all that they show.
        Command::Top { count } => top::run(&arguments.socket, *count).map(|()| String::new()),
        Command::Trace(trace) => {
            let traced = trace.command().run(&arguments.socket);
            traced.map(|()| String::new())
        }
        command => ask(&arguments.socket, &command.words()),
    };
    finish(NAME, done)
}

/// The help text is the error then.
const NO_ARGUMENTS: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
/// Where the unit has the daemon listen.
const SOCKET: &str = "/run/hapolicy/control";
// sysexits(3)
const USAGE: u8 = 64;
