//! What one test has of all that run on a machine.

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::net::{SocketAddr, UnixDatagram},
};

/// Whether this is ours from now on: a name that is given once, and until this process ends.
pub(crate) fn is_ours(what: &str) -> bool {
    let name = SocketAddr::from_abstract_name(format!("policy-testing-{what}"));
    let taken = UnixDatagram::bind_addr(&name.expect("a short name"));
    taken.map(std::mem::forget).is_ok()
}
