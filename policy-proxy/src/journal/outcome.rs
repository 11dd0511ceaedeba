//! The outcome of a request, for its line.

use std::time::Duration;

use policy_flow::Slot;
use policy_proto::Response;

/// The outcome of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    /// The group that it went to, by its index.
    pub(crate) group: usize,
    /// The service that answered.
    pub(crate) answered: Option<Slot>,
    /// A bit for each service that did not.
    pub(crate) failed: u64,
    /// Since it came.
    pub(crate) took: Duration,
    /// The reply; `None` where the connection is closed instead.
    pub(crate) response: Option<&'a Response>,
}
