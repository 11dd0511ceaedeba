//! The options of the proxy, as plain values with their defaults. A command line and a configuration file are read
//! elsewhere, and turned into them.

use std::{ffi::OsString, time::Duration};

use policy_daemon::{DaemonOptions, log::Sample};
use policy_ha::Mode;

mod affinity;
pub use affinity::Affinity;

mod check;
pub use check::CheckOptions;

mod clients;
pub use clients::ClientLimits;

mod default_action;
pub use default_action::DefaultAction;

mod detail;
pub use detail::{Detail, UnknownCategory};

mod group;
pub use group::{DEFAULT_GROUP, Group, GroupOptions, Groups};

mod listener;
pub use listener::NamedListener;

mod mirror;
pub use mirror::{MirrorOptions, WHOLE};

mod mode;
pub(crate) use mode::nobody_to_ask;
pub use mode::{mode_name, parse_mode};

mod probe;
pub use probe::InvalidProbe;

mod service;
pub use service::{InvalidService, Service};

mod services;
pub use services::{Fault, Services};
pub(crate) use services::{Part, default_timeout};

mod values;
pub use values::{parse_size, shown_duration, shown_size};

/// The options of the proxy.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether any number of connections is served. Otherwise it is the one of standard input and output.
    pub is_daemon: bool,
    /// The options of the process as a daemon.
    pub daemon: DaemonOptions,
    /// The services, each as [`Service::parse`] reads it. A fault of one is known when they are [read](Services::parse).
    pub services: Vec<OsString>,
    /// What services may be asked, by their names.
    pub modes: Vec<(String, Mode)>,
    /// The actions that services may answer with, by their names.
    pub actions: Vec<(String, String)>,
    /// How long unused connections to services are kept, by their names.
    pub keep: Vec<(String, Duration)>,
    /// What holds for all services, where they are one group, and for those of no group.
    pub common: GroupOptions,
    /// Groups of services, listeners with rules of their own, routes and mirrors.
    pub groups: Groups,
    /// How services that are down are looked at, if they are.
    pub check: Option<CheckOptions>,
    /// What a daemon grants its clients.
    pub clients: ClientLimits,
    /// What is logged.
    pub log: LogOptions,
    /// Whether all this is from a configuration file.
    pub is_of_file: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            is_daemon: false,
            daemon: DaemonOptions::new(NAME),
            services: Vec::new(),
            modes: Vec::new(),
            actions: Vec::new(),
            keep: Vec::new(),
            common: GroupOptions::default(),
            groups: Groups::default(),
            check: None,
            clients: ClientLimits::default(),
            log: LogOptions::default(),
            is_of_file: false,
        }
    }
}

impl Options {
    /// As many connections as all services may have.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        if self.groups.list.is_empty() {
            return self.services.len() * self.common.max_connections;
        }
        let groups = self.groups.list.iter();
        let of_group = |group: &Group| group.services.len() * group.options.max_connections;
        groups.map(of_group).sum()
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions {
    /// Each attempt in a line; as a daemon, each request.
    pub attempts: bool,
    /// The categories of lines beside the usual ones.
    pub detail: Detail,
    /// The form of a daemon's lines of requests.
    pub format: LogFormat,
    /// The share of the messages that have such lines.
    pub sample: Sample,
    /// Whether the drop-in's lines go to standard output.
    pub stdout: bool,
}

/// How a daemon writes the lines of `-l`. The drop-in writes the Perl script's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// A line per request, as `key=value`.
    #[default]
    KeyValue,
    /// The Perl script's line per attempt.
    Classic,
}

impl LogFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::KeyValue, Self::Classic];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyValue => "key-value",
            Self::Classic => "classic",
        }
    }
}

/// The name of the program in the log.
pub const NAME: &str = "hapolicy";
