//! The configuration: read whole, checked at once, and every finding said with its place.

mod action;
mod chain;
mod connections;
mod finding;
pub use finding::{Finding, Findings};
mod globals;
pub use globals::{Globals, Prefetch};
mod legacy;
mod listen;
mod lists;
pub(crate) use lists::ListKind;
pub use lists::Lists;
mod section;
pub use section::Section;
mod similar;
mod vhosts;
pub use vhosts::VirtualHost;

use std::{collections::HashSet, path::Path};

use crate::{
    config_general::{self, Parsed, Place},
    connection::Connections,
    session::SessionCache,
};

/// A configuration that is ready to serve.
#[derive(Debug)]
pub struct Config {
    /// The global options.
    pub globals: Globals,
    /// The connections.
    pub connections: Connections,
    /// Where sessions are kept.
    pub sessions: SessionCache,
    /// The DNS lists that plugins ask.
    pub lists: Lists,
    /// The virtual hosts, in their order.
    pub hosts: Vec<VirtualHost>,
}

/// How a configuration is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions<'c> {
    /// Everything as in the original.
    pub compat: bool,
    /// It is only checked: what is skipped at a start is an error.
    pub is_check: bool,
    /// The configuration before: connections and DNS lists whose parameters stay live on, and so
    /// does the session cache.
    pub previous: Option<&'c Config>,
}

/// What plugins and blocks are built with.
#[derive(Debug, Default)]
pub(crate) struct Build {
    pub(crate) findings: Findings,
    pub(crate) connections: Connections,
    pub(crate) lists: Lists,
    /// Those of the configuration before.
    pub(crate) previous: (Connections, Lists),
    pub(crate) compat: bool,
    pub(crate) is_check: bool,
    /// The blocks that stand for keys of mtpolicyd 1.x.
    pub(crate) old_blocks: HashSet<String>,
}

/// Reads a file. There is a configuration unless a finding is an error.
///
/// ```
/// use mtpolicyd::config::{LoadOptions, load};
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
        Ok(parsed) => build(parsed, &path.to_string_lossy(), options),
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
        Ok(parsed) => build(parsed, name, options),
        Err(error) => {
            let mut findings = Findings::default();
            findings.error(&error.place, error.message.trim_end());
            (None, findings)
        }
    }
}

fn build(mut parsed: Parsed, file: &str, options: LoadOptions<'_>) -> (Option<Config>, Findings) {
    let place = Place {
        file: file.into(),
        line: 1,
        column: 1,
    };
    let mut build = Build {
        compat: options.compat,
        is_check: options.is_check,
        previous: options.previous.map_or_else(Default::default, |config| {
            (config.connections.clone(), config.lists.clone())
        }),
        ..Build::default()
    };
    for (place, text) in std::mem::take(&mut parsed.warnings) {
        build.findings.warning(&place, text);
    }
    legacy::convert(&mut parsed, &mut build);
    let root = parsed.root;
    let mut section = Section::new("global options", &root, &place, &mut build);
    let globals = globals::read(&mut section);
    section.ignore(&["Connection", "SessionCache", "VirtualHost"]);
    section.finish();
    let previous = options.previous;
    if let Some(entry) = root.get("Connection") {
        connections::build(
            entry,
            &mut build,
            previous.map(|config| &config.connections),
        );
    }
    let sessions = vhosts::session_cache(&root, &mut build);
    let hosts = vhosts::build(&root, &place, &mut build);
    vhosts::check(&hosts, &globals, &place, &mut build);
    let is_usable = !build.findings.has_errors();
    let config = is_usable.then_some(Config {
        globals,
        sessions: previous.map_or_else(|| sessions.clone(), |config| config.sessions.or(&sessions)),
        connections: build.connections,
        lists: build.lists,
        hosts,
    });
    (config, build.findings)
}
