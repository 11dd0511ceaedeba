//! The file of `--config`, as a daemon reads it again.

use policy_proxy::{
    config::{Written, written},
    daemon::{ConfigFile, ConfigSource, FileOptions},
    options::{Options, Services},
};

use super::Effective;
use crate::args::{Arguments, Stop};

impl Arguments {
    /// The file of `--config`, if it was given, which says these options.
    #[must_use]
    pub fn config_file(&self, options: &Options) -> Option<ConfigFile> {
        self.file.as_ref()?;
        Some(ConfigFile {
            shown: self.shown(options),
            source: Box::new(self.clone()),
        })
    }

    /// All settings as a file.
    fn shown(&self, options: &Options) -> String {
        let services = Services::parse(options);
        let effective = Effective::new(self, options, &services);
        // A file is UTF-8, so that it can be written again.
        written(&effective.settings(options), Written::All).unwrap_or_default()
    }
}

impl ConfigSource for Arguments {
    fn read(&self, passed: bool) -> Result<FileOptions, Vec<String>> {
        let again = self.again(passed).map_err(|stopped| match stopped.stop {
            Stop::Config(findings) => findings.lines,
            Stop::Usage(text) | Stop::Show(text) => vec![text],
        })?;
        let options = again.options();
        Ok(FileOptions {
            shown: again.shown(&options),
            options,
            config: again.file.ok_or_else(Vec::new)?,
        })
    }
}
