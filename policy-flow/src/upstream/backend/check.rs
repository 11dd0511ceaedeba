//! Looking at backends that are down beside the requests, so that none of those has to be the one that finds them up
//! again.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use policy_ha::{BackendId, Mode, Outcome, Status};
use policy_proto::Response;

use super::probe::Probe;
use crate::upstream::{AskState, CheckError, Event, Kind, Timer, Upstream, ask::Ask};
use crate::{BackendDriver, Slot, clock::Time};

/// How backends that are down are looked at, by [`Upstream::check`](crate::Upstream::check).
///
/// ```
/// use policy_flow::Check;
/// use std::time::Duration;
///
/// let check = Check::new(Duration::from_secs(5));
/// assert!(check.probe.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// How long after one check of a backend the next one begins; each backend has a moment of its
    /// own.
    pub every: Duration,
    /// What it is asked; `None` only opens a connection.
    ///
    /// A successful connection proves that something listens, or that a system keeps connections in a
    /// queue for what does not answer. So it brings back only backends that could not be connected to.
    /// One that hung, closed or sent something else waits for its trial by a request, unless it is
    /// probed.
    pub probe: Option<Probe>,
}

impl Check {
    /// A check that only connects.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, probe: None }
    }

    /// The same with a probe.
    #[must_use]
    pub fn with_probe(self, probe: Probe) -> Self {
        Self {
            probe: Some(probe),
            ..self
        }
    }
}

impl Upstream {
    /// Each backend has a moment of its own.
    pub(crate) fn begin_checks(&mut self, check: Check) {
        self.check = Some(check);
        self.rearm_checks();
    }

    /// What is under way is given up.
    pub(crate) fn stop_checks(&mut self, driver: &mut impl BackendDriver) {
        self.check = None;
        for index in 0..self.asks.len() {
            let is_check = self
                .asks
                .get(index)
                .is_some_and(|ask| ask.state != AskState::Free && ask.kind == Kind::Check);
            if is_check {
                self.leave_attempt(index, driver);
                self.end(index);
            }
        }
    }

    /// For a list that has changed.
    pub(crate) fn rearm_checks(&mut self) {
        let Some(check) = &self.check else {
            return;
        };
        let (every, now) = (check.every, self.clock.now);
        let slots = self.groups.iter().flat_map(|set| &*set.slots);
        let slots: Vec<Slot> = slots.copied().collect();
        let apart = every / u32::try_from(slots.len().max(1)).unwrap_or(u32::MAX);
        for (index, slot) in (0..).zip(slots) {
            self.arm_check(slot, now.after(every + apart * index));
        }
    }

    fn arm_check(&mut self, slot: Slot, at: Time) {
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            self.timers
                .arm(&mut backend.check, at, Timer::Check(slot.0));
        }
    }

    pub(crate) fn check_rings(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.check = Time::NEVER;
        }
        let Some(check) = &self.check else {
            return;
        };
        let (every, probe) = (check.every, check.probe.clone());
        let mut groups = self.groups.iter();
        let Some((set, id)) = groups.find_map(|set| Some((set, set.id(slot)?))) else {
            return;
        };
        let number = set.number;
        let is_wanted = {
            let balancer = set.shared.balancer();
            balancer.status(id) != Status::Up && balancer.mode(id) != Mode::Disabled
        };
        let backend = self.backends.get(slot.index());
        let was_unreachable =
            backend.is_some_and(|backend| backend.shared.unreachable.load(Relaxed));
        let is_begun = is_wanted
            && !self.is_checked(slot)
            && (probe.is_some() || was_unreachable)
            && self.look_at(slot, (number, id), probe.as_ref(), driver);
        if !is_begun {
            self.arm_check(slot, self.clock.now.after(every));
        }
    }

    /// Whether a check of a backend is under way.
    fn is_checked(&self, slot: Slot) -> bool {
        self.asks
            .iter()
            .any(|ask| ask.slot == slot && ask.kind == Kind::Check && ask.state != AskState::Free)
    }

    /// There is one check of a backend at a time, and it takes one of its connections, if one is free: never one's place
    /// in the queue.
    fn look_at(
        &mut self,
        slot: Slot,
        (number, id): (u32, BackendId),
        probe: Option<&Probe>,
        driver: &mut impl BackendDriver,
    ) -> bool {
        let now = self.clock.now;
        let Some(timeout) = self
            .backends
            .get(slot.index())
            .map(|backend| backend.timeout)
        else {
            return false;
        };
        self.serial = self.serial.wrapping_add(1);
        self.under_way += 1;
        if let Some(set) = self.groups.iter_mut().find(|set| set.number == number) {
            set.asks += 1;
        }
        let index = self.asks.take(Ask::new);
        if let Some(ask) = self.asks.get_mut(index) {
            ask.serial = self.serial;
            ask.state = AskState::Between;
            ask.kind = Kind::Check;
            ask.request = probe.map(|probe| probe.request().clone());
            ask.set = number;
            ask.id = Some(id);
            ask.slot = slot;
            ask.begin_attempt(now, timeout);
            ask.is_fresh = true;
        }
        self.refresh(slot, driver);
        match self.try_acquire(index, driver) {
            Ok(true) => true,
            Ok(false) => {
                self.end(index);
                false
            }
            Err(error) => {
                self.check_ended(index, Err(error.into()), driver);
                true
            }
        }
    }

    /// A probe has been answered. Its connection is kept.
    pub(crate) fn check_answered(
        &mut self,
        id: u32,
        response: Response,
        driver: &mut impl BackendDriver,
    ) {
        let probe = self.check.as_ref().and_then(|check| check.probe.as_ref());
        let result = if probe.is_none_or(|probe| probe.passes(&response)) {
            Ok(())
        } else {
            Err(CheckError::Unexpected(response))
        };
        self.check_ended(id, result, driver);
    }

    /// A check that fails puts off the backend's next trial by a request for as long as it took.
    pub(crate) fn check_ended(
        &mut self,
        id: u32,
        result: Result<(), CheckError>,
        driver: &mut impl BackendDriver,
    ) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        let (slot, backend_id, set) = (ask.slot, ask.id, ask.set);
        let took = self.clock.now.since(ask.began);
        if result.is_ok()
            && let Some(link) = ask.link.take()
        {
            self.note_first_answer(link);
            self.keep(link, driver);
        } else {
            self.leave_attempt(id, driver);
        }
        driver.event(Event::Checked {
            backend: slot,
            error: result.as_ref().err(),
            took,
        });
        let outcome = match &result {
            Ok(()) => Some(Outcome::Success),
            Err(error) if error.blames_backend() => Some(Outcome::Failure { took }),
            Err(_) => None,
        };
        if let (Some(outcome), Some(backend_id)) = (outcome, backend_id) {
            self.observe(Kind::Check, set, (backend_id, slot), outcome, driver);
        }
        self.end(id);
        if let Some(check) = &self.check {
            let next = self.clock.now.after(check.every);
            self.arm_check(slot, next);
        }
    }
}
