//! What `hapolicy` and `policy-client` are made of. The binaries parse, build, call, and map the
//! result to an exit status; everything that can be tested without a process is here.
//!
//! This crate is a part of the programs, not a library with promises: those are `policy-proto`,
//! `policy-ha`, `policy-flow` and `policy-net`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod args;
pub use args::{
    Affinity, Checking, ClientLimits, DefaultAction, Failover, InvalidProbe, InvalidService,
    Lifetime, LogFormat, Options, Service, Stop, parse_duration, usage_line,
};

mod check_config;
pub use check_config::check_config;

mod daemon;
pub use daemon::{
    Bound, InvalidListen, Level, Listen, Log, Passed, StartError, escaped, printable,
    printable_json, silence_stderr,
};

mod journal;
pub use journal::Journal;

mod monitor;

mod proxy;
pub use proxy::Proxy;

mod report;
#[doc(hidden)]
pub use daemon::restart::fd_passing;

pub mod serve;
mod services;
pub mod spawn;
