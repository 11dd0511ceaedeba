//! The command line of `hapolicy` as a shell sees it: exit statuses and what is printed where.

mod check;
mod check_config;
mod config_file;
mod described;
mod effective;
mod files;
mod listener;
mod options;
mod other_listener;
mod start_faults;
mod warnings;
mod wrong;

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use policy_testing::process::{Process, hapolicy};

fn drop_in(args: &[&str], socket: UnixStream) -> Process {
    let socket = OwnedFd::from(socket);
    Process::untouched(
        Command::new(hapolicy())
            .args(args)
            .stdin(socket.try_clone().unwrap())
            .stdout(socket.try_clone().unwrap())
            .stderr(socket),
    )
}
