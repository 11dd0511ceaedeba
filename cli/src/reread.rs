//! A reload reads the file of `--config` again: the arguments as the daemon's source of settings.

use policy_proxy::{
    config::{Written, written},
    daemon::{ConfigFile, ConfigSource, FileOptions},
    options::{Options, Services},
};

use crate::{
    args::{Arguments, Stop},
    check_config::Effective,
};

/// The file of `--config`, if it was given, which says these options.
#[must_use]
pub fn config_file(arguments: &Arguments, options: &Options) -> Option<ConfigFile> {
    arguments.file.as_ref()?;
    Some(ConfigFile {
        shown: shown(arguments, options),
        source: Box::new(arguments.clone()),
    })
}

impl ConfigSource for Arguments {
    fn read(&self, passed: bool) -> Result<FileOptions, Vec<String>> {
        let again = self.again(passed).map_err(|stopped| match stopped.stop {
            Stop::Config(findings) => findings.lines,
            Stop::Usage(text) | Stop::Show(text) => vec![text],
        })?;
        let options = again.options();
        Ok(FileOptions {
            shown: shown(&again, &options),
            options,
            config: again.file.ok_or_else(Vec::new)?,
        })
    }
}

/// All settings as a file.
fn shown(arguments: &Arguments, options: &Options) -> String {
    let services = Services::parse(options);
    let effective = Effective::new(arguments, options, &services);
    // A file is UTF-8, so that it can be written again.
    written(&effective.settings(options), Written::All).unwrap_or_default()
}
