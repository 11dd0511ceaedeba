//! Options that only a daemon has: one of them without a listener is a mistake, not a drop-in.

use clap::{ArgMatches, Command, parser::ValueSource};

use crate::args::{Checking, FailoverArgs};

/// The first of them that was given, as it is written.
pub(crate) fn daemon_option(
    command: &Command,
    matches: &ArgMatches,
    failover: &FailoverArgs,
) -> Option<String> {
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let checks_services = |check: &Checking| matches!(check, Checking::Services(_));
    let mut options = command.get_arguments().filter(|argument| {
        let id = argument.get_id().as_str();
        let is_daemons = match id {
            "check" => failover.check.iter().any(checks_services),
            id => !OF_BOTH.contains(&id),
        };
        is_daemons && is_given(id)
    });
    let name = options.next()?.get_long()?;
    Some(format!("--{name}"))
}

/// What the drop-in takes as well. All others are the daemon's, also those that will be added.
const OF_BOTH: [&str; 20] = [
    "services",
    "default",
    "logging",
    "verbose",
    "stdout",
    "listen",
    "deadline",
    "affinity",
    "balance",
    "retry",
    "last_resort",
    "max_connections",
    "max_failures",
    "mode",
    "actions",
    "check_config",
    "strict",
    "quiet",
    "help",
    "version",
];
