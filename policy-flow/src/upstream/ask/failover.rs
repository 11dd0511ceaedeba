//! The failover rule: who is asked next, for how long at most, and when a request has failed.

use policy_ha::{BackendId, Status};

use crate::BackendDriver;
use crate::upstream::{
    AskState, AttemptError, Event, Exhausted, Kind, Retry, Set, Strategy, Upstream, Work,
    ask::{Attempt, budget},
};

/// How an attempt failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: AttemptError,
    /// The backend has certainly not read the request's last byte.
    pub(crate) unsent: bool,
    /// It was a connection used before that failed, without a byte of an answer: as a rule its server closed it while it
    /// was idle, which is nobody's fault.
    pub(crate) was_closed: bool,
    /// There was a connection.
    pub(crate) connected: bool,
}

impl Failed {
    /// Before anything was sent.
    pub(crate) const fn before(error: AttemptError) -> Self {
        Self {
            error,
            unsent: true,
            was_closed: false,
            connected: false,
        }
    }
}

impl Upstream {
    /// Puts a request to the next backend, if there is one and time for it.
    pub(crate) fn advance(&mut self, id: u32, driver: &mut impl BackendDriver) {
        if !self.next_attempt(id) {
            return self.exhaust(id, driver);
        }
        if let Err(error) = self.acquire(id, driver) {
            self.fail(id, Failed::before(error), driver);
        }
    }

    /// Who is to be asked now, and for how long at most; nothing if nobody is left, or no time.
    fn next_attempt(&mut self, id: u32) -> bool {
        let clock = self.clock;
        let Some(ask) = self.asks.get_mut(id) else {
            return false;
        };
        let Some(set) = Set::find(&self.groups, &self.old, ask.set) else {
            return false;
        };
        let left = ask.budget.left(clock.now);
        if left.is_zero() {
            return false;
        }
        let backends = &self.backends;
        let mut balancer = set.shared.balancer();
        let unasked = balancer.left(ask.tried);
        let picked = match set.options.strategy {
            Strategy::LeastLoaded => {
                let load = |id: BackendId| {
                    let backend = set.slots.get(id.index());
                    let backend = backend.and_then(|slot| backends.get(slot.index()));
                    backend.map_or(0, |backend| backend.in_use())
                };
                balancer.pick_least_loaded(clock.instant, ask.preference, &mut ask.tried, load)
            }
            _ => balancer.pick(clock.instant, ask.preference, &mut ask.tried),
        };
        let Some(picked) = picked else {
            return false;
        };
        let is_sole = balancer.left_up(ask.tried) == 0;
        let is_down = balancer.status(picked) != Status::Up;
        drop(balancer);
        let Some(slot) = set.slots.get(picked.index()).copied() else {
            return false;
        };
        let Some(backend) = self.backends.get(slot.index()) else {
            return false;
        };
        let limit = if ask.tried.is_last_resort() {
            ask.budget
                .last_resort(clock.now, set.last_resort, backend.timeout, unasked)
        } else {
            budget::limit(backend.timeout, left, unasked)
        };
        ask.id = Some(picked);
        ask.slot = slot;
        ask.begin_attempt(clock.now, limit);
        // What a backend that is down has kept may be dead without a word.
        ask.is_fresh = is_down;
        // Where nobody else is up, a permit that comes free is the best that can be hoped for.
        if !is_sole {
            ask.wait_until = clock.now.after(set.wait.min(limit));
        }
        !limit.is_zero()
    }

    /// An attempt failed: the request is put to the next backend, or has failed.
    #[cold]
    pub(crate) fn fail(&mut self, id: u32, failed: Failed, driver: &mut impl BackendDriver) {
        self.leave_attempt(id, driver);
        let now = self.clock.now;
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        let Kind::Request(owner) = ask.kind else {
            return self.check_ended(id, Err(failed.error.into()), driver);
        };
        let (Some(backend_id), Some(request)) = (ask.id, &ask.request) else {
            return;
        };
        let (slot, took) = (ask.slot, now.since(ask.began));
        let event = Event::Failed {
            backend: slot,
            request,
            owner,
            error: &failed.error,
            took,
        };
        driver.event_for(owner, event);
        let blames = failed.error.blames_backend() && !failed.was_closed;
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.failed(blames, failed.connected);
        }
        // That a last resort fails is no news: it was down, and had little time. If it counted, such requests could put
        // off without an end the trial that has a fair chance.
        let is_news = blames && !ask.tried.is_last_resort();
        let is_end = blames && failed.error.is_end() && failed.connected;
        let is_pending = is_news && is_end;
        ask.attempts.push(Attempt {
            id: backend_id,
            slot,
            error: failed.error,
            at: now,
            took,
            is_end,
            is_pending,
        });
        if is_news && !is_pending {
            self.observe_last(id, driver);
        }
        let retry = self.backends.get(slot.index());
        let retry = retry.map_or(Retry::Always, |backend| backend.options.retry);
        if retry == Retry::Unsent && !failed.unsent {
            self.exhaust(id, driver)
        } else {
            self.work.push_back(Work::Advance(id))
        }
    }

    /// Nobody has answered.
    #[cold]
    fn exhaust(&mut self, id: u32, driver: &mut impl BackendDriver) {
        self.settle_blame(id, true, driver);
        let now = self.clock.now;
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        let failed = ask.failed();
        let attempts = std::mem::take(&mut ask.attempts);
        let attempts = attempts
            .into_iter()
            .map(|attempt| (attempt.slot, attempt.error));
        let result = Err(Exhausted {
            attempts: attempts.collect(),
        });
        let took = now.since(ask.budget.begin);
        self.finish(id, result, failed, took);
    }

    /// A request, or its attempt, comes to its end, in whichever state it is.
    pub(crate) fn time_out_ask(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        let Some(ask) = self.asks.get(id) else {
            return;
        };
        match ask.state {
            AskState::Free | AskState::Between => {}
            AskState::Queued if now < ask.wait_until => self.wait_no_more(id, driver),
            AskState::Queued => {
                let error = ask.why_queued();
                self.fail(id, Failed::before(error), driver);
            }
            AskState::Opening if now < ask.wait_until => self.race_on(id, driver),
            AskState::Opening => self.opening_timed_out(id, driver),
            AskState::Asking => self.answer_timed_out(id, driver),
        }
    }
}
