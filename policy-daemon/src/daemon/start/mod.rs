//! The start of a daemon: everything that it takes with the privileges of its starter.

pub(crate) mod activation;
pub(crate) mod resources;
mod sockets;
