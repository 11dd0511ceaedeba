//! Options on the log of a daemon: where its lines go, which of them there are, and how they are written.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use policy_daemon::log::{LogTarget, Sample};
use policy_proxy::options::LogFormat;

use super::DAEMON;

/// The part of [`Arguments`](crate::args::Arguments) on the log of a daemon.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = DAEMON)]
#[non_exhaustive]
pub struct LogArgs {
    /// Where the log goes: syslog, systemd's journal with a field for each value, standard output, or a JSON object in each
    /// line of standard output
    ///
    /// It never waits for one of them: lines that cannot be written at once are lost, and counted. `-L` is the same as
    /// `stdout`, and counts before this option.
    /// The fields are those of the line of `-l`.
    #[arg(long, value_name = "syslog|journal|stdout|json", default_value = "syslog", value_parser = str::parse::<LogTarget>)]
    pub log_to: LogTarget,
    /// The line of -l: one per request, as key=value; or the Perl script's, one per attempt
    #[arg(
        long,
        value_name = "key-value|classic",
        default_value = "key-value",
        value_parser = PossibleValuesParser::new(LogFormat::ALL.map(LogFormat::name)).try_map(format),
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
    /// Write the lines of -l for this share of the messages only
    ///
    /// A percentage with up to four decimals. All requests of a message have their lines, or none: a hash of their
    /// `instance` decides, which is the same in each process. Lines that are left out are counted. Warnings are never left
    /// out.
    #[arg(long, value_name = "PERCENT", default_value = "100%", value_parser = str::parse::<Sample>)]
    pub log_sample: Sample,
}

/// One of the possible values of `--log-format`.
fn format(name: String) -> Result<LogFormat, &'static str> {
    let known = LogFormat::ALL
        .into_iter()
        .find(|known| known.name() == name);
    known.ok_or("no format")
}
