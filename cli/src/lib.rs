//! The command line of `hapolicy`: its arguments, what it says of them on standard output and standard error, and `hapolicy
//! ctl`. The binary parses, builds, calls, and turns the result into an exit status.
//!
//! This crate is a part of the program, not a library with promises. What the program does is `policy-proxy`'s.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod args;
pub use args::{
    Arguments, Checking, ClientArgs, ConfigArgs, FailoverArgs, LogArgs, ShutdownArgs, Stop, Stopped,
};

mod check_config;
pub use check_config::{Effective, check_config, print_config};

pub mod ctl;

mod reread;
pub use reread::config_file;
