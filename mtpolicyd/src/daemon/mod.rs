//! The daemon: from the command line to the end of the process.

mod background;
mod connection_states;
mod control;
mod dns_state;
mod explain;
mod handler;
mod limits;
mod list_tests;
mod metrics;
mod pid_file;
mod service;
mod start;
mod tasks;

pub use control::CTL;
pub use handler::Server;
pub use tasks::run;
