//! Which connection a request gets, and who waits for one.
//!
//! A permit is the right to one connection, and there are as many as a backend may have connections, for all workers
//! together. An idle connection keeps its permit. So there are never more connections than permits, and who waits for a
//! permit gets an idle connection or opens a new one.

use std::sync::atomic::Ordering::Relaxed;

use crate::upstream::{Ask, AskState, AttemptError, Upstream, Work, ask::failover::Failed};
use crate::{BackendDriver, Slot, clock::Time, slab::Slab};

impl Upstream {
    /// Gets a connection for a request, or has it wait for one.
    pub(crate) fn acquire(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), AttemptError> {
        let Some(slot) = self.asks.get(id).map(|ask| ask.slot) else {
            return Ok(());
        };
        self.refresh(slot, driver);
        if self.try_acquire(id, driver)? {
            Ok(())
        } else {
            self.queue(id, false)
        }
    }

    /// The same for a request whose kept connection turned out to be closed: it has waited already.
    pub(crate) fn acquire_again(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), AttemptError> {
        if let Some(ask) = self.asks.get_mut(id) {
            ask.is_fresh = true;
            ask.began_closed = true;
            ask.granted = Time::NEVER;
        }
        if self.try_acquire(id, driver)? {
            Ok(())
        } else {
            self.queue(id, true)
        }
    }

    /// Whether there was a connection, or one is opened now.
    pub(crate) fn try_acquire(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<bool, AttemptError> {
        let Some(ask) = self.asks.get(id) else {
            return Ok(false);
        };
        let (slot, is_fresh) = (ask.slot, ask.is_fresh);
        while !is_fresh && let Some(link) = self.take_idle(slot, driver) {
            match self.send(id, link, driver) {
                Ok(()) => return Ok(true),
                Err(crate::Failure::Local(error)) => {
                    self.drop_link(link, driver);
                    return Err(AttemptError::Local(error));
                }
                // It was closed: nobody has read anything.
                Err(_) => self.drop_link(link, driver),
            }
        }
        let now = self.clock.now;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return Ok(false);
        };
        let max = backend.options.max_connections;
        let limit = backend.limit(now, max);
        backend.is_short = false;
        let can_open = backend.opening < backend.options.max_opening.max(1);
        if can_open && self.take_permit(slot, limit, is_fresh, driver) {
            return self.open(id, driver).map(|()| true);
        }
        Ok(false)
    }

    /// A request waits for a permit: the first one of all, or the last.
    #[cold]
    fn queue(&mut self, id: u32, is_first: bool) -> Result<(), AttemptError> {
        let now = self.clock.now;
        let (worker, is_shared) = (self.worker, self.shared().is_shared());
        let Some(ask) = self.asks.get(id) else {
            return Ok(());
        };
        let slot = ask.slot;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return Ok(());
        };
        if ask.wait_until <= now {
            return Err(AttemptError::Busy);
        }
        let entry = (id, ask.serial);
        // Those that have waited for longest are the first to give up.
        while let Some(&(first, serial)) = backend.waiting.front()
            && !is_waiting(&self.asks, first, serial, slot)
        {
            backend.waiting.pop_front();
        }
        let Some(ask) = self.asks.get_mut(id) else {
            return Ok(());
        };
        if is_first {
            // It has waited, and was counted, perhaps: it counts once.
            backend.waiting.push_front(entry)
        } else {
            backend.waiting.push_back(entry);
            backend.shared.waited.fetch_add(1, Relaxed);
        }
        ask.state = AskState::Queued;
        ask.waits_to_open = backend.opening >= backend.options.max_opening.max(1);
        ask.due = ask.wait_until;
        if backend.learned.is_some_and(|(_, until)| now < until) {
            // What was learned may be wrong, or not true any more: time is left to see.
            let half = ask.wait_until.since(now) / 2;
            ask.due = now.after(half.min(crate::upstream::CROWDED));
        }
        if is_shared && backend.is_short {
            backend.shared.want(worker, true);
            // One may have come free before the others knew.
            self.work.push_back(Work::Serve(ask.slot));
        }
        self.arm(id);
        Ok(())
    }

    /// A request has waited for as long as what was learned of the backend is worth: a connection more is opened.
    #[cold]
    pub(crate) fn wait_no_more(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        let (slot, is_fresh) = (ask.slot, ask.is_fresh);
        ask.due = ask.wait_until;
        let backend = self.backends.get(slot.index());
        let max = backend.map_or(0, |backend| backend.options.max_connections);
        if self.take_permit(slot, max, is_fresh, driver) {
            if let Err(error) = self.open(id, driver) {
                self.fail(id, Failed::before(error), driver);
            }
        } else {
            self.arm(id);
        }
    }

    /// Those who wait for a connection to this backend get what there is, who has waited for longest first. One that needs
    /// a new connection, which cannot be opened now, keeps no other from one that is idle.
    #[cold]
    pub(crate) fn serve(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        self.serve_full(slot, driver);
        let mut left = Vec::new();
        while let Some(backend) = self.backends.get_mut(slot.index())
            && let Some((id, serial)) = backend.waiting.pop_front()
        {
            if !is_waiting(&self.asks, id, serial, slot) {
                continue;
            }
            let is_fresh = self.asks.get(id).is_some_and(|ask| ask.is_fresh);
            match self.try_acquire(id, driver) {
                Ok(true) => {}
                Ok(false) if is_fresh && self.has_idle(slot) => left.push((id, serial)),
                Ok(false) => {
                    if let Some(backend) = self.backends.get_mut(slot.index()) {
                        backend.waiting.push_front((id, serial));
                    }
                    break;
                }
                Err(error) => self.fail(id, Failed::before(error), driver),
            }
        }
        self.wait_on(slot, left, driver);
    }

    /// These wait on, as the first ones.
    fn wait_on(&mut self, slot: Slot, left: Vec<(u32, u32)>, driver: &mut impl BackendDriver) {
        let worker = self.worker;
        let is_shared = self.shared().is_shared();
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        for one in left.into_iter().rev() {
            backend.waiting.push_front(one);
        }
        if !is_shared {
            return;
        }
        let has_waiting = !backend.waiting.is_empty();
        if has_waiting && backend.yields {
            // Another worker comes first, and this one after it.
            return;
        }
        if !has_waiting || !backend.is_short {
            // Those that wait until a connection of this worker's own has been accepted need no permit of others.
            return self.pass_permits_on(slot, driver);
        }
        backend.shared.want(worker, true);
        if backend.shared.open() < backend.options.max_connections {
            // One has come free before the others knew.
            self.work.push_back(Work::Serve(slot));
        }
    }

    /// Requests for which no connection could be opened, since the queue of a UNIX socket is full, get one that is idle.
    fn serve_full(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        while let Some(backend) = self.backends.get_mut(slot.index())
            && !backend.idle.is_empty()
            && let Some((id, serial)) = backend.full.pop_front()
        {
            let is_waiting = self.asks.get(id).is_some_and(|ask| {
                let is_this = ask.serial == serial && ask.slot == slot && !ask.is_fresh;
                is_this
                    && ask.state == AskState::Opening
                    && ask.opening.is_full
                    && ask.link.is_none()
            });
            if is_waiting {
                self.leave_attempt(id, driver);
                if let Err(error) = self.acquire_idle(id, driver) {
                    self.fail(id, Failed::before(error), driver);
                }
            }
        }
    }

    /// The same as [`try_acquire`](Self::try_acquire) where there is an idle connection, as a rule: else it waits.
    fn acquire_idle(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), AttemptError> {
        if self.try_acquire(id, driver)? {
            Ok(())
        } else {
            self.queue(id, true)
        }
    }

    #[cold]
    fn take_permit(
        &mut self,
        slot: Slot,
        limit: usize,
        is_fresh: bool,
        driver: &mut impl BackendDriver,
    ) -> bool {
        let is_shared = self.shared().is_shared();
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return false;
        };
        let max = backend.options.max_connections;
        // The other worker may want none any more.
        backend.yields &= backend.shared.wanted_by(self.worker).is_some();
        if backend.yields {
            backend.is_short = true;
            return false;
        }
        if backend.take_permit(limit, max) {
            return true;
        }
        if is_fresh && let Some(&oldest) = backend.idle.front() {
            // Its permit is worth more than the connection, which may be dead.
            self.drop_link(oldest, driver);
            let backend = self.backends.get_mut(slot.index());
            return backend.is_some_and(|backend| backend.take_permit(limit, max));
        }
        if is_shared && let Some(other) = backend.shared.ask_to_shed(self.worker) {
            self.call(other, driver);
        }
        false
    }
}

/// Whether a request still waits for a connection to this backend.
pub(crate) fn is_waiting(asks: &Slab<Ask>, id: u32, serial: u32, slot: Slot) -> bool {
    asks.get(id).is_some_and(|ask| {
        ask.serial == serial && ask.state == AskState::Queued && ask.slot == slot
    })
}
