//! The end of a request: a backend has answered, or nobody has.

use std::time::Duration;

use policy_ha::Outcome;
use policy_proto::Response;

use crate::upstream::{Answer, Ask, AskState, Done, Event, Exhausted, Kind, Stick, Upstream};
use crate::{AskId, BackendDriver, Slot};

impl Upstream {
    /// A backend has answered, and may answer so.
    pub(crate) fn answered(
        &mut self,
        id: u32,
        slot: Slot,
        response: Response,
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
        let outcome = Outcome::Success;
        self.observe(kind, set, (backend_id, slot), outcome, driver);
        if has_failed {
            self.settle_blame(id, true, driver);
        }
        let answer = Answer {
            backend: slot,
            response,
            stick: Stick {
                backend: slot,
                // Its owner knows it.
                group: 0,
                key,
            },
        };
        self.finish(id, Ok(answer), failed, took);
    }

    /// What has come of a request is told to whom it belongs.
    pub(super) fn finish(
        &mut self,
        id: u32,
        result: Result<Answer, Exhausted>,
        failed: u64,
        took: Duration,
    ) {
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
        let set = ask.end();
        self.free(id, set);
    }

    /// Nothing of a request is left but its number.
    pub(crate) fn end(&mut self, id: u32) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        ask.request = None;
        let set = ask.end();
        self.free(id, set);
    }

    fn free(&mut self, id: u32, set: u32) {
        self.asks.free_now(id);
        self.under_way -= 1;
        self.leave_set(set);
    }
}

impl Ask {
    /// It is done with, but for its request: the list of backends that it went by.
    fn end(&mut self) -> u32 {
        self.state = AskState::Free;
        self.attempts.clear();
        self.link = None;
        self.set
    }
}
