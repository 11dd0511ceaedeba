//! The configuration: read whole, checked at once, and every finding said with its place. Plugins are above it: how a chain
//! is built of them is passed in.

mod action;
mod build;
pub(crate) use build::{Build, ChainBuilder};
mod connections;
mod finding;
pub use finding::{Finding, Findings};
mod globals;
pub use globals::{Globals, Prefetch};
mod later;
pub use later::Use;
mod legacy;
mod listen;
pub(crate) use listen::control_path;

mod lists;
pub(crate) use lists::ListKind;
pub use lists::Lists;
mod process;
pub(crate) use process::user_that_is_left;
mod references;
mod section;
pub use section::Section;
mod similar;
pub(crate) use similar::similar;
mod vhosts;
pub use vhosts::VirtualHost;

use std::collections::HashSet;

use references::References;

use crate::{
    config_general::{Parsed, Place},
    connection::{Connections, Unwritten},
    counters::Counters,
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
    /// What is counted by the names of the configuration.
    pub(crate) counters: Counters,
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
    /// It is checked for a daemon in the foreground (`-f`).
    pub is_foreground: bool,
    /// The global options that the daemon was started with: what its next start would fail at is an error.
    pub running: Option<&'c Globals>,
    /// The configuration before: connections and DNS lists whose parameters stay live on, and so
    /// does the session cache.
    pub previous: Option<&'c Config>,
    /// Nothing is written to any store: here is told what would be.
    pub unwritten: Option<&'c Unwritten>,
}

/// Reads what the grammar has left of a file. There is a configuration unless a finding is an error.
pub(crate) fn read(
    mut parsed: Parsed,
    file: &str,
    options: LoadOptions<'_>,
    chain: ChainBuilder,
) -> (Option<Config>, Findings) {
    let place = Place {
        file: file.into(),
        line: 1,
        column: 1,
    };
    let mut build = Build {
        chain,
        findings: Findings::default(),
        connections: Connections::new(options.unwritten.cloned()),
        lists: Lists::default(),
        counters: Counters::default(),
        previous: options.previous.map_or_else(Default::default, |config| {
            let (lists, counters) = (config.lists.clone(), config.counters.clone());
            (config.connections.clone(), lists, counters)
        }),
        compat: options.compat,
        is_check: options.is_check,
        references: References::default(),
        old_blocks: HashSet::new(),
    };
    for (place, text) in std::mem::take(&mut parsed.warnings) {
        build.findings.warning(&place, text);
    }
    legacy::convert(&mut parsed, &mut build);
    let root = parsed.root;
    let mut section = Section::new("global options", &root, &place, &mut build);
    let globals = globals::read(&mut section);
    if options.is_check {
        process::check(&mut section, &globals, options.is_foreground);
    } else if let Some(running) = options.running {
        process::check_changes(&mut section, &globals, running);
    }
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
    build
        .references
        .check(sessions.is_kept(), &mut build.findings);
    let is_usable = !build.findings.has_errors();
    let config = is_usable.then_some(Config {
        globals,
        sessions: previous.map_or_else(|| sessions.clone(), |config| config.sessions.or(&sessions)),
        connections: build.connections,
        lists: build.lists,
        counters: build.counters,
        hosts,
    });
    (config, build.findings)
}
