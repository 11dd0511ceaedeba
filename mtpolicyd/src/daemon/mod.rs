//! The daemon: from the command line to the end of the process.

mod admin;
mod background;
mod connection_states;
mod control;
mod dns_watch;
mod explain;
mod handler;
mod limits_command;
mod log_file;
mod pid_file;
mod service;
mod skipped_lists;
mod start;
mod steps;
mod tasks;

pub use control::CTL;
pub use handler::Server;
pub use tasks::run;
