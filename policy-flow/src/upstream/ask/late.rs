//! Attempts whose time was not the backend's: this process stood still, or they waited, or began with a connection that
//! was closed.

use crate::clock::Time;
use crate::upstream::{AskState, AttemptError, LATE, Upstream, ask::Ask};

impl Upstream {
    /// Timers should have rung already. If it is long ago, this process has stood still, at most since it last knew the
    /// time.
    #[cold]
    pub(crate) fn timers_are_late(&mut self, before: Time) {
        let now = self.clock.now;
        if now > self.timers.next().after(LATE) {
            for ask in self.asks.iter_mut() {
                ask.has_stood_still(before, now);
            }
        }
    }
}

impl Ask {
    /// Why there is no answer, where most of the attempt's time was not the backend's. Then it is not to blame: this
    /// process stood still, or the attempt waited for a permit, or began with a kept connection that was closed late.
    pub(crate) fn too_late(&self) -> Option<AttemptError> {
        let most = self.until.since(self.began) / 2;
        if self.stood_still > most {
            Some(AttemptError::StoodStill)
        } else if self.granted.since(self.began) <= most {
            None
        } else if self.began_closed {
            Some(AttemptError::ClosedLate)
        } else {
            Some(AttemptError::Busy)
        }
    }

    /// This process stood still from then to then.
    pub(crate) fn has_stood_still(&mut self, from: Time, to: Time) {
        let is_under_way = !matches!(self.state, AskState::Free | AskState::Between);
        if is_under_way {
            self.stood_still += to.min(self.until).since(from.max(self.began));
        }
    }
}
