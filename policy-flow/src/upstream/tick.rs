//! The timers of requests, connections and backends, and the work that each brings.

use super::{AskState, Upstream};
use crate::{BackendDriver, Slot, clock::Time};

/// What rings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    Ask(u32),
    Link(u32),
    /// Idle connections of this backend may have become too old.
    Trim(u32),
    Check(u32),
}

impl Upstream {
    /// Does what time brings. To be called after all that has been heard until now was reported, also what came in the
    /// same moment: data counts before a time-out. After a pause of the process everything that has arrived is to be
    /// read first.
    pub fn tick(&mut self, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        while let Some((at, timer)) = self.timers.ring(now) {
            match timer {
                Timer::Ask(ask) => self.ask_rings(ask, at, driver),
                Timer::Link(link) => self.link_rings(link, at, driver),
                Timer::Trim(slot) => self.trim(Slot(slot), driver),
                Timer::Check(slot) => self.check_rings(Slot(slot), driver),
            }
            self.work_off(driver);
        }
        self.links.recycle();
    }

    fn ask_rings(&mut self, id: u32, at: Time, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        if ask.armed == at {
            ask.armed = Time::NEVER;
        }
        if ask.state == AskState::Free {
            return;
        }
        if ask.due <= now {
            self.time_out_ask(id, driver)
        } else {
            self.arm(id)
        }
    }

    /// Its timer rings when it is due, at the latest, and in the middle of the attempt: if it is late then, this process
    /// stands still.
    pub(crate) fn arm(&mut self, id: u32) {
        let now = self.clock.now;
        if let Some(ask) = self.asks.get_mut(id) {
            let at = if now < ask.middle {
                ask.due.min(ask.middle)
            } else {
                ask.due
            };
            self.timers.arm(&mut ask.armed, at, Timer::Ask(id));
        }
    }

    pub(crate) fn arm_link(&mut self, id: u32, at: Time) {
        if let Some(link) = self.links.get_mut(id) {
            self.timers.arm(&mut link.armed, at, Timer::Link(id));
        }
    }
}
