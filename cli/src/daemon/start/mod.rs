//! What a daemon takes at its start.

pub(crate) mod activation;
pub(crate) mod resources;
pub(crate) mod sockets;
