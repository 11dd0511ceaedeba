//! The settings of a configuration file, in the place of a command line's, and what may stand beside it.

use std::path::Path;

use clap::{CommandFactory, parser::ValueSource};
use policy_proxy::config::Config;

use super::{Arguments, Checking, FailoverArgs, FileGroups, Stop};

impl Arguments {
    /// The settings of a file, with what stands beside it.
    pub(super) fn with_file(self, path: &Path, passed: bool) -> Result<Self, Stop> {
        if let Some(option) = self.option_beside_file() {
            let text = format!("{option} belongs into the file that --config names");
            return Err(Stop::Usage(text));
        }
        let file = Config::read(path, Self::command()).map_err(Stop::Config)?;
        let options = Self::parse_words(file.words.clone());
        let options = options.and_then(|options| {
            let options = options.looked_at_as(&self);
            options.checked(passed).map_err(|stopped| stopped.stop)
        });
        let mut options = options.map_err(|stop| match stop {
            Stop::Usage(text) => Stop::Config(file.refuse(&text)),
            stop => stop,
        })?;
        options.groups = FileGroups::of(&file).map_err(|stop| match stop {
            Stop::Usage(text) => Stop::Config(file.refuse(&text)),
            stop => stop,
        })?;
        options.config.config = file.path();
        if let Some(probe) = &mut options.failover.probe {
            *probe = file.beside(probe);
        }
        options.file = Some(file);
        Ok(options)
    }

    /// These settings, to be looked at or logged about as another command line says.
    fn looked_at_as(self, other: &Self) -> Self {
        Self {
            logging: self.logging || other.logging,
            verbose: self.verbose || other.verbose,
            categories: self.categories.and(other.categories),
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
}

/// The options that may stand beside a configuration file, which are clap's to read.
const BESIDE_FILE: [&str; 6] = [
    "config",
    "check-config",
    "strict",
    "quiet",
    "show-config",
    "non-default",
];
