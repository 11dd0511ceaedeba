//! Idle connections: which one a request gets, and which are kept for how long.

use crate::upstream::{Backend, LinkState, Retry, Timer, Upstream, Work};
use crate::{BackendDriver, LinkId, Slot, clock::Time};

impl Upstream {
    /// An idle connection that can be used, the one used last: the others grow old and are closed.
    pub(crate) fn take_idle(&mut self, slot: Slot, driver: &mut impl BackendDriver) -> Option<u32> {
        loop {
            let backend = self.backends.get_mut(slot.index())?;
            let keep = backend.keep;
            let max_age = backend.max_age;
            // What is found out before a request is written need not be guessed later.
            let is_asked = backend.options.retry == Retry::Unsent;
            let id = backend.idle.pop_back()?;
            self.tell_idle(slot);
            let link = self.links.get_mut(id)?;
            // It holds its permit, and is in no list.
            link.state = LinkState::Settling;
            let now = self.clock.now;
            let is_young = now < link.since.after(keep) && now < link.opened.after(max_age);
            if is_young && (!is_asked || driver.is_open(LinkId(id))) {
                return Some(id);
            }
            self.drop_link(id, driver);
        }
    }

    /// A connection can be used again: it is kept, or given to who waits for one.
    pub(crate) fn keep(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        let (worker, is_shared) = (self.worker, self.shared().is_shared());
        let workers = self.shared().workers();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let slot = link.backend;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        let max = backend.options.max_connections;
        // Who has more than its share gives to others, also where it has a use for it.
        let gives = |backend: &Backend| {
            (backend.waiting.is_empty() || backend.taken.saturating_mul(workers) > max)
                && backend.shared.wanted_by(worker).is_some()
        };
        let is_to_be_closed = backend.keep.is_zero()
            || backend.is_retired
            || backend.unanswered > 0
            || now >= link.opened.after(backend.max_age)
            || !backend.addresses.contains(link.address)
            || is_shared && gives(backend);
        if is_to_be_closed {
            return self.drop_link(id, driver);
        }
        link.state = LinkState::Idle;
        link.since = now;
        link.is_reused = true;
        link.skipped = false;
        backend.idle.push_back(id);
        if backend.trim == Time::NEVER {
            let trim = now.after(backend.keep);
            self.timers
                .arm(&mut backend.trim, trim, Timer::Trim(slot.0));
        }
        if !backend.waiting.is_empty() || !backend.full.is_empty() {
            self.work.push_back(Work::Serve(slot));
        }
        if is_shared {
            self.tell_idle(slot);
            // Another worker may have begun to want one before it could see this one.
            if self.backends.get(slot.index()).is_some_and(gives) {
                self.drop_link(id, driver);
            }
        }
    }

    /// Closes connections that have been idle for too long.
    #[cold]
    pub(crate) fn trim(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.trim = Time::NEVER;
        }
        while let Some(backend) = self.backends.get_mut(slot.index())
            && let Some(&oldest) = backend.idle.front()
            && let Some(link) = self.links.get(oldest)
        {
            let end = link.since.after(backend.keep);
            if now < end {
                self.timers.arm(&mut backend.trim, end, Timer::Trim(slot.0));
                return;
            }
            self.drop_link(oldest, driver);
        }
    }

    /// Closes all idle connections of a backend.
    #[cold]
    pub(crate) fn drop_idle(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        while let Some(backend) = self.backends.get(slot.index())
            && let Some(&oldest) = backend.idle.front()
        {
            self.drop_link(oldest, driver);
        }
    }

    pub(crate) fn has_idle(&self, slot: Slot) -> bool {
        let backend = self.backends.get(slot.index());
        backend.is_some_and(|backend| !backend.idle.is_empty())
    }
}
