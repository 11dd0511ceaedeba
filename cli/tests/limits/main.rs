//! The limits of a daemon: clients, connections, memory; and that a client at a limit costs the others nothing.

mod clients;
mod descriptors;
mod many_clients;
mod memory;
mod places;

use policy_testing::stub::Stub;
use tempfile::TempDir;

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}

fn unix(dir: &TempDir) -> String {
    format!("unix:{}", dir.path().join("policy.sock").display())
}
