//! Options on the configuration file.

use std::path::PathBuf;

use clap::Args;

use super::BOTH;

/// The part of [`Arguments`](crate::args::Arguments) on the configuration file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = BOTH)]
#[non_exhaustive]
pub struct ConfigArgs {
    /// Read all settings from this file instead
    ///
    /// Its keys are the long options, and hapolicy.toml(5) describes it. Besides it only `--logging`, `--verbose` and
    /// `--stdout` may be given, and what looks at the file: `--check-config` and `--show-config`. A fault of the file
    /// ends the start with status 78. On SIGHUP a daemon reads it again.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print all settings with their values as a configuration file, and end
    #[arg(long)]
    pub show_config: bool,
    /// With --show-config, print only what differs from the default
    #[arg(short = 'n', long)]
    pub non_default: bool,
    /// Print this command line as a configuration file, and end
    #[arg(long)]
    pub convert: bool,
}

impl ConfigArgs {
    /// Whether a configuration file is to be printed, and no more.
    #[must_use]
    pub const fn only_prints(&self) -> bool {
        self.show_config || self.convert
    }

    /// A line about an option that has no use without another.
    pub(super) const fn missing(&self) -> Option<&'static str> {
        if self.non_default && !self.show_config {
            Some("--non-default belongs to --show-config, which is missing")
        } else if self.convert && self.config.is_some() {
            Some("--convert is for a command line, and --config names a file")
        } else {
            None
        }
    }
}
