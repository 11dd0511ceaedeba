//! A request as it was seen, and what came of it.

use policy_proto::Request;

use crate::input::capture::Facts;

/// A request, and what came of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) request: Request,
    pub(super) facts: Facts,
}
