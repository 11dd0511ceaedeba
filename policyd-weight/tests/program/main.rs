//! The command line, the daemon and spawn(8), as an administrator, an init script and Postfix see them.
//!
//! Must be run as root.

#![allow(
    unreachable_pub,
    reason = "a program of its own: its parts see each other"
)]

mod cache;
mod cache_file;
mod command_line;
mod control;
mod explained;
mod faults;
mod file;
mod findings;
mod init_script;
mod init_status;
mod life;
mod load;
mod log;
mod metrics;
mod outage;
mod own_user;
mod pid_file;
mod postfix;
mod requests;
mod rights;
mod socket;
mod store_outage;
mod stores;
mod trace;
mod world;

use world::PATIENCE;
