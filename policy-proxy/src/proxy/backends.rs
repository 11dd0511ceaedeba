//! The places of the backends, for all workers.

use std::sync::Arc;

use policy_socket::Endpoint;

use crate::proxy::resolver::Resolver;

/// Where the backends are, for all workers.
#[derive(Debug)]
pub(crate) struct Backends {
    /// By their slots: in the order of the command line, at the start.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) resolver: Arc<Resolver>,
}
