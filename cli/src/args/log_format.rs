//! The formats of the line for each request: `--log-format`.

use clap::ValueEnum;

/// How a daemon writes the lines of `-l`. The drop-in writes the Perl script's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// A line per request, as `key=value`.
    #[default]
    KeyValue,
    /// The Perl script's line per attempt.
    Classic,
}
