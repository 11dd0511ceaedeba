//! Reading a command line: first as the Perl script does, then by clap, or from the file that `--config` names.

use std::{ffi::OsString, os::unix::ffi::OsStrExt, path::PathBuf};

use clap::{CommandFactory, FromArgMatches};
use policy_daemon::command_line::usage_line;
use policy_proxy::{
    config::Config,
    options::{DefaultAction, NAME},
};

use super::{
    Arguments, Stop, Stopped, daemon_only,
    perl::{self, WrongWord},
    usage::long_option,
};

impl Arguments {
    /// Reads the words of a command line, the program's name not among them; `passed` says whether a
    /// service manager has passed listening sockets.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub fn parse(words: impl IntoIterator<Item = OsString>, passed: bool) -> Result<Self, Stopped> {
        Self::parse_at(words.into_iter().collect(), passed, None)
    }

    /// Reads the words and the file of these arguments again. The file is where it was found at the start, since the process
    /// may have another directory by now.
    pub(crate) fn again(&self, passed: bool) -> Result<Self, Stopped> {
        let file = self.file.as_ref().and_then(Config::path);
        Self::parse_at(self.words.clone(), passed, file)
    }

    fn parse_at(
        words: Vec<OsString>,
        passed: bool,
        file: Option<PathBuf>,
    ) -> Result<Self, Stopped> {
        let listens = |word: &OsString| word.as_bytes().starts_with(b"--listen");
        let is_daemon = passed || words.iter().any(listens);
        let stopped = |stop| Stopped { stop, is_daemon };
        let mut options = Self::parse_words(words.clone()).map_err(stopped)?;
        options.words = words;
        match file.or_else(|| options.config.config.clone()) {
            Some(path) => options.with_file(&path, passed).map_err(stopped),
            None => options.checked(passed),
        }
    }

    /// These options, if they fit together.
    pub(super) fn checked(mut self, passed: bool) -> Result<Self, Stopped> {
        let is_daemon = passed || !self.listen.is_empty();
        self.is_daemon = is_daemon;
        // It is looked at without the sockets of a service manager.
        if let Some(option) = &self.daemon_option
            && !is_daemon
            && !self.failover.only_checks()
            && !self.config.only_prints()
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
        let missing = self.failover.missing().or_else(|| self.config.missing());
        if let Some(text) = missing {
            let stop = Stop::Usage(text.to_owned());
            return Err(Stopped { stop, is_daemon });
        }
        Ok(self)
    }

    pub(super) fn parse_words(words: Vec<OsString>) -> Result<Self, Stop> {
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
            Self::default()
        } else {
            Self::extended(classic.rest)?
        };
        if let Some(text) = options.limits.fault() {
            return Err(Stop::Usage(text));
        }
        options.services = classic.services;
        options.logging = classic.logging;
        options.verbose = classic.verbose;
        options.categories = classic.categories;
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

    fn extended(words: Vec<OsString>) -> Result<Self, Stop> {
        let name = std::iter::once(OsString::from(NAME));
        let mut command = Self::command();
        let parsed = command
            .try_get_matches_from_mut(name.chain(words))
            .and_then(|matches| {
                let mut options = Self::from_arg_matches(&matches)?;
                options.daemon_option = daemon_only::daemon_option(
                    command.get_arguments(),
                    &matches,
                    &options.failover,
                );
                options.given = Some(matches);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let mut parsed = Arguments::extended(Vec::new()).unwrap();
        parsed.given = None;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Arguments::default()));
    }
}
