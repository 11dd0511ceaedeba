//! The status of an upstream: its backends, and how they are.

use policy_ha::{BackendId, Status};

use super::{Shared, Upstream};
use crate::{LinkId, Slot};

impl Upstream {
    /// What the workers share, of the first group.
    #[must_use]
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The number of the backend with this index in the list of the first group.
    #[must_use]
    pub fn slot(&self, backend: BackendId) -> Option<Slot> {
        self.slots().get(backend.index()).copied()
    }

    /// The numbers of the backends, in the order of the list, of the first group.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.group_slots(0)
    }

    /// The numbers of the backends of a group, in the order of its list.
    #[must_use]
    pub fn group_slots(&self, group: usize) -> &[Slot] {
        let group = self.groups.get(group);
        group.map_or(&[], |set| &set.slots)
    }

    /// The index that a backend has in the list of its group; `None` if it is not listed any more.
    #[must_use]
    pub fn id(&self, backend: Slot) -> Option<BackendId> {
        self.groups.iter().find_map(|set| set.id(backend))
    }

    /// How many unused connections to a backend are kept; meant for status pages.
    #[must_use]
    pub fn idle(&self, backend: Slot) -> usize {
        let backend = self.backends.get(backend.index());
        backend.map_or(0, |backend| backend.idle.len())
    }

    /// Whether a backend is up; meant for status pages.
    #[must_use]
    pub fn status(&self, backend: BackendId) -> Status {
        self.shared().balancer().status(backend)
    }

    /// Requests that are under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many bytes may be read from a connection now: nothing while its answer waits for memory.
    #[must_use]
    pub fn room(&self, link: LinkId) -> usize {
        self.room_of(link.0)
    }
}
