//! The counters of a group of services, of one worker.

use std::sync::Arc;

use policy_daemon::metrics::Counter;

/// What one worker counts of a group. Only it writes here.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct GroupMetrics {
    /// Requests that went to the group, and have been replied to.
    pub(crate) requests: Counter,
    /// Those of them that no service answered.
    pub(crate) unanswered: Counter,
}

/// What one worker counts of all groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupTable(pub(crate) Vec<Arc<GroupMetrics>>);

impl GroupTable {
    /// A request to this group has been replied to. One that is none for services goes to no group.
    #[inline]
    pub(crate) fn replied(&self, group: usize, is_unanswered: bool) {
        if let Some(group) = self.0.get(group) {
            group.requests.add(1);
            if is_unanswered {
                group.unanswered.add(1);
            }
        }
    }
}
