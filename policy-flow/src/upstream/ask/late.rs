//! Attempts whose time was not the backend's: this process stood still, or they waited, or began with a connection that
//! was closed.

use crate::clock::Time;
use crate::upstream::{AskState, AttemptError, LATE, Upstream, ask::Ask};

impl Upstream {
    /// Timers should have rung already. If it is long ago, this process has stood still since then, as far as is known.
    #[cold]
    pub(crate) fn note_late_timers(&mut self) {
        let (now, since) = (self.clock.now, self.timers.next());
        if now > since.after(LATE) {
            for ask in self.asks.iter_mut() {
                ask.add_pause(since, now);
            }
        }
    }
}

impl Ask {
    /// Why there is no answer, where much of the attempt's time was not the backend's. Then it is not to blame: this
    /// process stood still for a quarter of it for certain, or half of it was over before there was a connection to ask
    /// over: it waited for that, or began with a kept one that was closed late.
    pub(crate) fn too_late(&self) -> Option<AttemptError> {
        let limit = self.until.since(self.began);
        if self.stood_still >= limit / 4 {
            Some(AttemptError::StoodStill)
        } else if self.granted.since(self.began) <= limit / 2 {
            None
        } else if self.began_closed {
            Some(AttemptError::ClosedLate)
        } else {
            Some(self.why_queued())
        }
    }

    /// Why it waits, or has waited, for a connection.
    pub(crate) const fn why_queued(&self) -> AttemptError {
        if self.waits_to_open {
            AttemptError::Opening
        } else {
            AttemptError::Busy
        }
    }

    /// This process stood still from then to then.
    pub(crate) fn add_pause(&mut self, from: Time, to: Time) {
        let is_under_way = !matches!(self.state, AskState::Free | AskState::Between);
        if is_under_way {
            self.stood_still += to.min(self.until).since(from.max(self.began));
        }
    }
}
