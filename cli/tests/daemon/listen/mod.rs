//! Listeners: the sockets that a daemon binds, refuses, owns and removes, and the user as whom it runs.

mod bind;
mod container;
mod name;
mod unix_socket;
mod user;
mod workers;

use policy_testing::stub::Stub;
use tempfile::TempDir;

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}

fn path(dir: &TempDir) -> String {
    dir.path().join("policy.sock").display().to_string()
}

fn unix(dir: &TempDir) -> String {
    format!("unix:{}", path(dir))
}

const NOBODY: u32 = 65534;

/// The group `daemon`.
const DAEMON: u32 = 1;
