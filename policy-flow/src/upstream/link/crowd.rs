//! A backend that serves fewer connections at once than it takes: a process serves each, and there are not more of them.

use std::time::Duration;

use crate::upstream::{CROWDED, Event, LEARNED, LinkState, SERVED, Upstream};
use crate::{BackendDriver, Slot, clock::Time};

impl Upstream {
    /// A new connection waits for its first answer while others are idle: its backend may serve no more than those, one
    /// with each of its processes. They are closed, and for a while no more are opened without a wait.
    pub(crate) fn look_at_unanswered(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        let (worker, is_shared) = (self.worker, self.shared().is_shared());
        let Some(link) = self.links.get(id) else {
            return;
        };
        if link.heard || link.is_unanswered {
            return;
        }
        let LinkState::Asking(ask) = link.state else {
            return;
        };
        let (slot, since) = (link.backend, link.since);
        let Some(limit) = self.asks.get(ask).map(|ask| ask.until.since(ask.began)) else {
            return;
        };
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        // A backend that takes long for its answers tells nothing by that. But time has to be left for the answer of a
        // process that becomes free.
        let usual = (backend.slowest(now) * 2).min(limit / 4);
        let patience = since.after(CROWDED.max(usual));
        if now < patience {
            return self.arm_link(id, patience);
        }
        // One that has just been answered says nothing: others may be answered in this moment.
        let oldest = backend.idle.front().and_then(|idle| self.links.get(*idle));
        let is_kept = oldest.is_some_and(|idle| idle.since.after(SERVED) <= now);
        if !is_kept && backend.unanswered == 0 {
            // All are busy, as far as can be told. One that waits for long is looked at less and less often.
            let again = CROWDED.max(now.since(since) / 8);
            if is_shared && let Some(other) = backend.shared.ask_to_shed(worker) {
                // Another worker keeps one, and may have that process.
                self.call(other, driver);
            }
            return self.arm_link(id, now.after(again));
        }
        backend.unanswered += 1;
        if let Some(link) = self.links.get_mut(id) {
            link.is_unanswered = true;
        }
        if !is_kept {
            return;
        }
        // As many as have been served, whichever of the others waits for longest.
        let limit = self.served(slot).max(1);
        if let Some(link) = self.links.get_mut(id) {
            link.room_made = Some((limit, now));
        }
        self.drop_idle(slot, driver);
    }

    /// A connection has been answered. If others had been closed for it just before, its backend may serve no more than
    /// those.
    #[inline]
    pub(crate) fn learn(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (slot, room_made) = (link.backend, link.room_made.take());
        let took = self.clock.now.span_since(link.since);
        // The first answer of a connection may have waited until a process was free.
        let is_first = !link.is_reused;
        if let Some((limit, at)) = room_made {
            self.learn_limit(slot, limit, (at, took.duration()), driver);
        } else if is_first {
            self.doubt_limit(slot);
        } else if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.record_time(took, self.clock.now);
        }
    }

    /// A new connection has been answered while others stay open. If those are as many as the backend seemed to serve at
    /// once, it serves more.
    #[cold]
    fn doubt_limit(&mut self, slot: Slot) {
        let Some(backend) = self.backends.get(slot.index()) else {
            return;
        };
        if let Some((limit, _)) = backend.suspected
            && self.served(slot) > limit
            && let Some(backend) = self.backends.get_mut(slot.index())
        {
            backend.suspected = None;
        }
    }

    /// Connections of a backend that have been answered, or begun to be.
    fn served(&self, slot: Slot) -> usize {
        let links = self.links.iter();
        let served = links.filter(|link| {
            link.backend == slot && link.state != LinkState::Free && (link.is_reused || link.heard)
        });
        served.count()
    }

    /// A connection for which others had been closed has been answered. A request that takes long, and ends in that moment
    /// by chance, looks the same: so the limit is learned where several waited, or when it is seen for the second time
    /// and no more connections were answered at once meanwhile.
    #[cold]
    fn learn_limit(
        &mut self,
        slot: Slot,
        limit: usize,
        (at, took): (Time, Duration),
        driver: &mut impl BackendDriver,
    ) {
        let now = self.clock.now;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        if now.since(at) > SERVED || took < backend.slowest(now) * 2 {
            return;
        }
        let counts = |seen: Option<(usize, Time)>| seen.is_some_and(|(_, until)| now < until);
        let is_news = !counts(backend.learned);
        if is_news && !counts(backend.suspected) && backend.unanswered < MANY {
            backend.suspected = Some((limit, now.after(LEARNED)));
            return;
        }
        backend.learned = Some((limit, now.after(LEARNED)));
        // Once it is not believed any more, being seen once more is enough for a while.
        backend.suspected = Some((limit, now.after(LEARNED * 2)));
        if is_news {
            driver.event(Event::Crowded {
                backend: slot,
                limit,
            });
        }
    }
}

/// As many new connections without an answer are no chance.
const MANY: usize = 3;
