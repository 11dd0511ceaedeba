//! The parts of `hapolicy`: its arguments, the journal, and the proxy. The binary parses, builds, calls, and turns the
//! result into an exit status.
//!
//! This crate is a part of the program, not a library with promises: those are `policy-proto`, `policy-ha`,
//! `policy-flow`, `policy-net` and `policy-daemon`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod args;
pub use args::{
    Affinity, Checking, ClientArgs, ConfigArgs, DefaultAction, Detail, FailoverArgs, InvalidProbe,
    InvalidService, LogArgs, LogFormat, NAME, Options, Service, ShutdownArgs, Stop, Stopped,
    UnknownCategory,
};

mod check_config;
pub use check_config::{check_config, print_config};

mod config;
pub use config::Findings;

mod journal;
pub use journal::Journal;

mod control;
pub mod ctl;
mod metrics;
mod mirror;
mod monitor;

mod proxy;
pub use proxy::Proxy;

mod reload;
mod report;
pub mod serve;
mod services;
pub mod spawn;
