//! The parts of `hapolicy`: its arguments, the journal, and the proxy. The binary parses, builds, calls, and turns the
//! result into an exit status.
//!
//! This crate is a part of the program, not a library with promises: those are `policy-proto`, `policy-ha`,
//! `policy-flow`, `policy-net` and `policy-daemon`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod args;
pub use args::{
    Arguments, Checking, ClientArgs, ConfigArgs, FailoverArgs, LogArgs, ShutdownArgs, Stop, Stopped,
};

mod check_config;
pub use check_config::{Effective, check_config, print_config};

mod admin;
mod blocking;
mod build;
pub mod config;
mod control;
pub mod ctl;
pub mod daemon;
mod journal;
mod metrics;
mod mirror;
pub mod options;
mod proxy;
pub mod spawn;
pub mod warnings;
