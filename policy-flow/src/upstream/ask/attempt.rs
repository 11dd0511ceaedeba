//! Who is asked next, for how long at most, and when a request has failed.

use std::time::Duration;

use policy_ha::{BackendId, Preference, Status};
use policy_proto::Request;

use crate::upstream::{
    Answer, AskState, AttemptError, Done, Event, Exhausted, Kind, Retry, Set, Stick, Strategy,
    Upstream, Work,
    ask::budget::Budget,
    ask::{Ask, Attempt},
    attempt_limit,
};
use crate::{AskId, BackendDriver, Slot};

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
    pub(crate) fn begin(&mut self, request: Request, stick: Option<Stick>, kind: Kind) -> AskId {
        let now = self.clock.now;
        let key = self.options.strategy.key(&request);
        let preference = self.preference(stick, key);
        self.serial = self.serial.wrapping_add(1);
        self.under_way += 1;
        self.current.asks += 1;
        let set = self.current.number;
        let serial = self.serial;
        let index = self.asks.take(Ask::new);
        if let Some(ask) = self.asks.get_mut(index) {
            ask.serial = serial;
            ask.state = AskState::Between;
            ask.kind = kind;
            ask.request = Some(request);
            ask.set = set;
            ask.preference = preference;
            ask.key = key;
            ask.tried = policy_ha::Tried::new();
            ask.budget = Budget::new(now);
            ask.began = now;
        }
        AskId { index, serial }
    }

    /// What a request is to wish for: who answered the last one of its message, unless that had another key.
    fn preference(&self, stick: Option<Stick>, key: Option<u64>) -> Preference {
        let id = |stick: Stick| self.current.id(stick.backend);
        match (key, stick) {
            (Some(key), Some(stick)) if stick.key == Some(key) => match id(stick) {
                Some(id) => Preference::StickOrHash(id, key),
                None => Preference::Hash(key),
            },
            // Who answered for another key, or without one, has no part in this one.
            (Some(key), _) => Preference::Hash(key),
            (None, Some(stick)) => id(stick).map_or(Preference::None, Preference::Stick),
            (None, None) => Preference::None,
        }
    }

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
        let (clock, options) = (self.clock, &self.options);
        let Some(ask) = self.asks.get_mut(id) else {
            return false;
        };
        let Some(set) = Set::find(&self.current, &self.old, ask.set) else {
            return false;
        };
        let left = ask.budget.left(clock.now, options);
        if left.is_zero() {
            return false;
        }
        let backends = &self.backends;
        let mut balancer = set.shared.balancer();
        let unasked = balancer.left(ask.tried);
        let picked = match options.strategy {
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
                .last_resort(clock.now, options, backend.timeout, unasked)
        } else {
            attempt_limit(backend.timeout, left, unasked)
        };
        ask.id = Some(picked);
        ask.slot = slot;
        ask.begin_attempt(clock.now, limit);
        // What a backend that is down has kept may be dead without a word.
        ask.is_fresh = is_down;
        // Where nobody else is up, a permit that comes free is the best that can be hoped for.
        if !is_sole {
            ask.wait_until = clock.now.after(options.wait.min(limit));
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
        if let Some(backend) = self.backends.get(slot.index()) {
            backend.failed(blames, failed.connected);
        }
        // That a last resort fails is no news: it was down, and had little time. If it counted, such requests could put
        // off for ever the trial that has a fair chance.
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
        if self.options.retry == Retry::Unsent && !failed.unsent {
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

    /// A backend has answered, and may answer so.
    pub(crate) fn answered(
        &mut self,
        id: u32,
        slot: Slot,
        response: policy_proto::Response,
        driver: &mut impl BackendDriver,
    ) {
        let now = self.clock.now;
        let Some(ask) = self.asks.get(id) else {
            return;
        };
        let (Kind::Request(owner), Some(backend_id)) = (ask.kind, ask.id) else {
            return self.check_answered(id, response, driver);
        };
        if let Some(request) = &ask.request {
            let event = Event::Answered {
                backend: slot,
                request,
                owner,
                response: &response,
                took: now.since(ask.began),
            };
            driver.event_for(owner, event);
        }
        let (kind, set) = (ask.kind, ask.set);
        let (key, took) = (ask.key, now.since(ask.budget.begin));
        let has_failed = !ask.attempts.is_empty();
        let failed = ask.failed();
        self.observe_success(kind, set, backend_id, slot, driver);
        if has_failed {
            self.settle_blame(id, true, driver);
        }
        let answer = Answer {
            backend: slot,
            response,
            stick: Stick { backend: slot, key },
        };
        self.finish(id, Ok(answer), failed, took);
    }

    fn finish(&mut self, id: u32, result: Result<Answer, Exhausted>, failed: u64, took: Duration) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        if let (Kind::Request(owner), Some(request)) = (ask.kind, ask.request.take()) {
            self.done.push_back(Done {
                ask: AskId {
                    index: id,
                    serial: ask.serial,
                },
                owner,
                request,
                result,
                took,
                failed,
            });
        }
        self.end(id);
    }

    /// Nothing of a request is left but its number.
    pub(crate) fn end(&mut self, id: u32) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        ask.state = AskState::Free;
        ask.request = None;
        ask.attempts.clear();
        ask.link = None;
        let set = ask.set;
        self.asks.free_now(id);
        self.under_way -= 1;
        self.leave_set(set);
    }

    /// A request, or its attempt, comes to its end, in whichever state it is.
    pub(crate) fn ask_is_due(&mut self, id: u32, driver: &mut impl BackendDriver) {
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
