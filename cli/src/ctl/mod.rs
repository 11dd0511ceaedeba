//! `hapolicy ctl`: sends a command to a daemon, and prints its answer.

mod top;

use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use policy_daemon::{
    command_line::usage_line,
    control::{AskError, ask},
    log::printable,
};
use rustix::process::geteuid;

use crate::NAME;

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
            return fail(&usage_line(&error), USAGE);
        }
        Err(error) => {
            // There is nowhere left to report that this failed.
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let done = match &arguments.command {
        Command::Top { count } => top::run(&arguments.socket, *count),
        command => ask(&arguments.socket, &command.words()).map(|text| print(&text)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(AskError::Refused(text)) => fail(&text, REFUSED),
        Err(AskError::Unavailable(path, error)) => {
            use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
            let hint = match error.kind() {
                NotFound | ConnectionRefused => {
                    "; no daemon has it: start hapolicy with --control, and give its path with --socket"
                }
                PermissionDenied if !geteuid().is_root() => "; root may, and the daemon's user",
                _ => "",
            };
            let status = if error.kind() == PermissionDenied {
                PERMISSION
            } else {
                UNAVAILABLE
            };
            fail(&format!("{path}: {error}{hint}"), status)
        }
        Err(error) => fail(&error.to_string(), UNAVAILABLE),
    }
}

/// Prints an answer: names of services come from a configuration, and might hold anything.
fn print(text: &str) {
    let lines: Vec<String> = text.lines().map(printable).collect();
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    // Whoever reads it may have gone.
    _ = std::io::stdout().write_all(text.as_bytes());
}

fn fail(text: &str, status: u8) -> ExitCode {
    // Faults of a configuration have a line each.
    for line in text.lines() {
        eprintln!("{NAME} ctl: {}", printable(line));
    }
    ExitCode::from(status)
}

/// The help text is the error then.
const NO_ARGUMENTS: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
/// Where the unit has the daemon listen.
const SOCKET: &str = "/run/hapolicy/control";
/// The daemon does not do it.
const REFUSED: u8 = 1;
// sysexits(3)
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const PERMISSION: u8 = 77;
