//! What `hapolicy` and `policy-client` are made of. The binaries parse, build, call, and map the
//! result to an exit status; everything that can be tested without a process is here.
//!
//! This crate is a part of the programs, not a library with promises: those are `policy-proto`,
//! `policy-ha`, `policy-flow` and `policy-net`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod admission;
mod apart;

mod bind;

mod bound;
pub use bound::Bound;

mod check_config;
pub use check_config::check_config;

mod crew;

pub mod daemon;

mod daemon_option;

mod default_action;
pub use default_action::DefaultAction;

mod descriptor_mail;
mod descriptors;

pub mod dropin;

mod directories;
mod disposal;
mod duration;
pub use duration::parse_duration;

mod failover;
pub use failover::{Checking, Failover};

mod file_rights;
mod foreign;
mod getopt;
mod ground;
mod handed;
mod handover;
mod hands;

mod journal;
pub use journal::Journal;

mod life;
mod lifetime;
pub use lifetime::Lifetime;

mod limits;
pub use limits::ClientLimits;

mod listen;
mod listening;
pub use listen::{InvalidListen, Listen};

mod log;
pub use log::{Level, Log, escaped, printable, printable_json};

mod log_format;
pub use log_format::LogFormat;

mod maker;
mod max_clients;
mod monitor;

mod notify;

mod options;
pub use options::{Affinity, Options, Stop};

mod passed;
pub use passed::Passed;

mod passing;
mod privileges;

mod probe;
pub use probe::InvalidProbe;

mod proxy;
pub use proxy::Proxy;

mod repeats;
mod report;

mod service;
pub use service::{InvalidService, Service};

mod setup;

mod shortage;
mod signals;
mod socket_file;
mod sockets;

mod start_error;
pub use start_error::StartError;

mod stdio;
pub use stdio::silence_stderr;

mod succession;
mod syslog;
mod usage;
pub use usage::usage_line;

mod users;
mod worker;
