//! The sockets that a daemon listens with: from an address on the command line to the file that is removed at the end.

pub(crate) mod address;
mod bind;
pub(crate) mod directories;
mod file;
mod file_place;
pub use file_place::FilePlace;
mod file_rights;
pub(crate) mod handover_socket;
mod overlap;
pub(crate) mod set;
pub(crate) mod socket;

pub(crate) use bind::is_requested;
