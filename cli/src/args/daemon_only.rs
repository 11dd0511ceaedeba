//! Options that only a daemon has: one of them without a listener is a mistake, not a drop-in.

use clap::{Arg, ArgMatches, parser::ValueSource};

use super::{Checking, FailoverArgs, headings::DAEMON};

/// Whether an option is for a daemon only: the help text has it under a heading of its own.
pub(crate) fn is_of_a_daemon(option: &Arg) -> bool {
    option.get_help_heading() == Some(DAEMON)
}

/// The first of them that was given, as it is written.
pub(super) fn daemon_option<'a>(
    options: impl Iterator<Item = &'a Arg>,
    matches: &ArgMatches,
    failover: &FailoverArgs,
) -> Option<String> {
    let checks_services = |check: &Checking| matches!(check, Checking::Services(_));
    let mut given = options.filter(|option| {
        let id = option.get_id().as_str();
        let is_daemons = match id {
            "check" => failover.check.iter().any(checks_services),
            _ => is_of_a_daemon(option),
        };
        is_daemons && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    let name = given.next()?.get_long()?;
    Some(format!("--{name}"))
}
