//! What a daemon takes at most: clients, connections, memory; and that whoever takes more costs nobody else anything.

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
