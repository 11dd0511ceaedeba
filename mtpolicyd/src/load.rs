//! The way from a text to a configuration whose chains are built of the plugins.

use std::path::Path;

use crate::{
    config::{Config, Findings, LoadOptions, read},
    config_general,
    plugins::chain,
};

/// Reads a file. There is a configuration unless a finding is an error.
///
/// ```
/// use mtpolicyd::{config::LoadOptions, load::load};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("mtpolicyd.conf");
/// let text = "<VirtualHost 12345>\nname=test\n<Plugin a>\nmodule=Action\nactoin=dunno\n</Plugin>\n</VirtualHost>\n";
/// std::fs::write(&path, text)?;
/// let (config, findings) = load(&path, LoadOptions::default());
/// assert!(config.is_none());
/// let texts: Vec<_> = findings.sorted().iter().map(ToString::to_string).collect();
/// assert!(texts[0].ends_with("mtpolicyd.conf:3:1: error: `action` is missing in `a`"), "{texts:?}");
/// assert!(texts[1].contains(":5:1: warning: `actoin` means nothing in `a`: did you mean `action`?"), "{texts:?}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn load(path: &Path, options: LoadOptions<'_>) -> (Option<Config>, Findings) {
    match config_general::read_file(path) {
        Ok(parsed) => read(parsed, &path.to_string_lossy(), options, chain::build),
        Err(error) => {
            let mut findings = Findings::default();
            findings.error(&error.place, error.message.trim_end());
            (None, findings)
        }
    }
}

/// Reads a text that is in no file.
#[must_use]
pub fn load_text(name: &str, text: &str, options: LoadOptions<'_>) -> (Option<Config>, Findings) {
    match config_general::read_text(name, text) {
        Ok(parsed) => read(parsed, name, options, chain::build),
        Err(error) => {
            let mut findings = Findings::default();
            findings.error(&error.place, error.message.trim_end());
            (None, findings)
        }
    }
}
