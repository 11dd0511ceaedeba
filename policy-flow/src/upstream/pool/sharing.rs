//! Workers share the permits of a backend: one that has more than its share gives to one that waits.

use crate::upstream::{Upstream, Work, pool::permit::is_waiting};
use crate::{BackendDriver, Slot};

impl Upstream {
    /// Nobody here waits for a permit. Those who did may have given up after one had come free, or cannot use it yet: then
    /// it is another worker's, if that waits for one.
    pub(crate) fn pass_permits_on(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        let max = backend.options.max_connections;
        // Who comes later here need not come after the other worker: nobody might call this one again.
        backend.yields = false;
        backend.shared.want(self.worker, false);
        let Some(other) = backend.shared.wanted_by(self.worker) else {
            return;
        };
        match backend.idle.front() {
            Some(&oldest) => self.drop_link(oldest, driver),
            None if backend.shared.open() < max => self.call(other, driver),
            None => {}
        }
    }

    /// A permit is free again.
    pub(crate) fn give_back_permit(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        let is_shared = self.shared().is_shared();
        let workers = self.shared().workers();
        let waits = is_shared && self.has_waiting(slot);
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        backend.shared.give_back();
        let had_more = backend.taken.saturating_mul(workers) > backend.options.max_connections;
        backend.taken -= 1;
        if is_shared
            && had_more
            && let Some(other) = backend.shared.wanted_by(self.worker)
        {
            // It had more than its share, and comes after the other.
            backend.yields = waits;
            backend.shared.want(self.worker, waits);
            return self.call(other, driver);
        }
        if !backend.waiting.is_empty() {
            self.work.push_back(Work::Serve(slot));
        } else if is_shared && let Some(other) = backend.shared.wanted_by(self.worker) {
            self.call(other, driver);
        }
    }

    /// Another worker wants an idle connection closed, or has made a permit free.
    pub(crate) fn answer_call(&mut self, driver: &mut impl BackendDriver) {
        self.shared().called(self.worker);
        for index in 0..self.backends.len() {
            let slot = Slot(u32::try_from(index).unwrap_or(u32::MAX));
            let Some(backend) = self.backends.get_mut(index) else {
                continue;
            };
            backend.yields = false;
            if backend.shared.is_to_shed(self.worker)
                && let Some(&oldest) = backend.idle.front()
            {
                self.drop_link(oldest, driver);
            }
            self.work.push_back(Work::Serve(slot));
        }
    }

    pub(crate) fn call(&self, worker: usize, driver: &mut impl BackendDriver) {
        if self.shared().call(worker) {
            driver.wake(worker);
        }
    }

    /// Tells the other workers whether this one keeps idle connections.
    pub(crate) fn tell_idle(&self, slot: Slot) {
        if self.shared().is_shared()
            && let Some(backend) = self.backends.get(slot.index())
        {
            backend
                .shared
                .set_keeping(self.worker, !backend.idle.is_empty());
        }
    }

    /// Whether somebody waits for a permit who has not given up.
    pub(crate) fn has_waiting(&self, slot: Slot) -> bool {
        let backend = self.backends.get(slot.index());
        let mut waiting = backend.into_iter().flat_map(|backend| &backend.waiting);
        waiting.any(|&(id, serial)| is_waiting(&self.asks, id, serial, slot))
    }
}
