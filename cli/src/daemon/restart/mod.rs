//! A restart without loss: the next daemon takes the sockets and the clients of the one before.

pub(crate) mod clients;
pub mod fd_passing;
pub(crate) mod handed;
pub(crate) mod protocol;
pub(crate) mod server;
