//! The sockets that a daemon listens with.

pub(crate) mod address;
pub(crate) mod bind;
pub(crate) mod directories;
pub(crate) mod file;
pub(crate) mod file_rights;
pub(crate) mod set;
pub(crate) mod socket;
