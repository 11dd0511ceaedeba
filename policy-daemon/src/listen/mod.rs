//! The sockets that a daemon listens with: from an address on the command line to the file that is removed at the end.

pub(crate) mod address;
mod bind;
mod file;
pub(crate) mod handover_socket;
mod other;
mod overlap;
pub(crate) mod set;
pub(crate) mod socket;

pub(crate) use bind::is_requested;
