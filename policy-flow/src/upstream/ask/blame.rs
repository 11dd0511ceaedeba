//! The blame for a failure: on the backend, or on the request.
//!
//! A backend that closes the connection instead of an answer may have died of the request. Whether it did is known when
//! the request is done with: if another backend closed as well, the request is to blame, and they are not. If another one
//! answered, or none was left, the first one is.
//!
//! That holds three times for a backend that has answered nothing in between: servers that close whatever they are asked
//! do go down.

use std::{mem, sync::atomic::Ordering::Relaxed};

use policy_ha::{BackendId, Outcome};

use crate::upstream::{
    Event, Kind, Upstream,
    ask::{Ask, Attempt},
};
use crate::{BackendDriver, Slot};

impl Upstream {
    /// The last attempt of a request failed, and that is its backend's fault.
    pub(crate) fn observe_last(&self, id: u32, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get(id) else {
            return;
        };
        if let Some(attempt) = ask.attempts.last() {
            self.observe_failure(ask, attempt, driver);
        }
    }

    /// A request is done with: those whose fault was not clear are blamed, or not. It was given up if not `is_done`.
    pub(crate) fn settle_blame(&self, id: u32, is_done: bool, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get(id) else {
            return;
        };
        let pending = || ask.attempts.iter().filter(|attempt| attempt.is_pending);
        if pending().next().is_none() {
            return;
        }
        let ended = || ask.attempts.iter().filter(|attempt| attempt.is_end);
        let is_harmful = is_done && ended().nth(1).is_some();
        let mut is_forgiven = false;
        for attempt in pending() {
            if is_harmful && self.forgives(attempt.slot) {
                is_forgiven = true
            } else {
                self.observe_failure(ask, attempt, driver)
            }
        }
        if is_forgiven && let Some(request) = &ask.request {
            let bits = ended().filter_map(|attempt| 1u64.checked_shl(attempt.slot.0));
            let event = Event::Harmful {
                request,
                backends: bits.fold(0, |set, bit| set | bit),
            };
            tell(ask.kind, event, driver);
        }
    }

    /// Whether a backend may close on a request once more without being blamed: each by what it has answered itself,
    /// since one that is asked nothing but what others close on answers nothing.
    fn forgives(&self, slot: Slot) -> bool {
        let Some(backend) = self.backends.get(slot.index()) else {
            return false;
        };
        let forgiven = &backend.shared.forgiven;
        let is_forgiven = forgiven.load(Relaxed) < MAX_FORGIVEN;
        if is_forgiven {
            forgiven.fetch_add(1, Relaxed);
        }
        is_forgiven
    }

    fn observe_failure(&self, ask: &Ask, attempt: &Attempt, driver: &mut impl BackendDriver) {
        let Some(set) = self.set(ask.set) else {
            return;
        };
        let outcome = Outcome::Failure { took: attempt.took };
        let at = self.clock.past(attempt.at);
        let transition = set.shared.balancer().observe(at, attempt.id, outcome);
        if let Some(transition) = transition {
            let event = Event::Changed {
                backend: attempt.slot,
                transition,
                because: Some(&attempt.error),
            };
            tell(ask.kind, event, driver);
        }
    }

    /// An outcome whose reason is no failure of a request. The balancer hears once in a moment that a backend answers:
    /// many requests may have been answered in it.
    #[inline]
    pub(crate) fn observe(
        &mut self,
        kind: Kind,
        set: u32,
        (id, slot): (BackendId, Slot),
        outcome: Outcome,
        driver: &mut impl BackendDriver,
    ) {
        let answers = (outcome == Outcome::Success).then_some(self.clock.now);
        if let Some(backend) = self.backends.get_mut(slot.index())
            && mem::replace(&mut backend.answered_at, answers) == answers
            && answers.is_some()
        {
            return;
        }
        let Some(set) = self.set(set) else {
            return;
        };
        let transition = set
            .shared
            .balancer()
            .observe(self.clock.instant, id, outcome);
        if let Some(transition) = transition {
            let event = Event::Changed {
                backend: slot,
                transition,
                because: None,
            };
            tell(kind, event, driver);
        }
    }
}

/// Tells of something that happened on the way of this request or check.
fn tell(kind: Kind, event: Event<'_>, driver: &mut impl BackendDriver) {
    match kind {
        Kind::Request(owner) => driver.event_for(owner, event),
        Kind::Check => driver.event(event),
    }
}

/// As often a backend closes on a request that others close on, and is not blamed, until it has answered.
const MAX_FORGIVEN: u32 = 3;
