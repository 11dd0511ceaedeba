//! The end of a connection: by its backend, by a time-out, or since it is not wanted any more.

use std::mem;

use crate::upstream::{
    AskState, AttemptError, CROWDED, LinkState, Retry, TimedOut, Upstream, Work,
    ask::failover::Failed,
};
use crate::{BackendDriver, Failure, LinkId, Slot, clock::Time};

impl Upstream {
    /// A connection has been closed by its backend, or failed.
    pub(crate) fn end_link(
        &mut self,
        id: u32,
        failure: Option<Failure>,
        driver: &mut impl BackendDriver,
    ) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        match link.state {
            LinkState::Free => {}
            LinkState::Connecting(ask) => self.connect_failed(id, ask, failure, driver),
            LinkState::Asking(ask) => self.asked_in_vain(id, ask, failure, driver),
            LinkState::Idle | LinkState::Settling => self.drop_link(id, driver),
        }
    }

    #[cold]
    fn asked_in_vain(
        &mut self,
        id: u32,
        ask_id: u32,
        failure: Option<Failure>,
        driver: &mut impl BackendDriver,
    ) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let slot = link.backend;
        let is_unread = matches!(failure, Some(Failure::Unread(_)));
        let error = match failure {
            None if link.heard => self.cut_off(id),
            None => AttemptError::Closed,
            Some(Failure::Local(error)) => AttemptError::LocalIo(error),
            Some(Failure::Unread(error) | Failure::Peer(error)) => AttemptError::Io(error),
        };
        let unsent = !link.heard && (is_unread || !link.sent);
        let was_closed = link.is_reused && !link.heard && error.is_end();
        if !was_closed {
            self.address_failed(id);
        }
        self.drop_link(id, driver);
        if let Some(ask) = self.asks.get_mut(ask_id) {
            ask.link = None;
        }
        // The server may close a connection that is kept at any time: that is nobody's fault, and a new one shows
        // whether it is still there.
        let retry = self.backends.get(slot.index());
        let retry = retry.map_or(Retry::Always, |backend| backend.options.retry);
        if was_closed && (retry == Retry::Always || unsent) {
            if let Err(error) = self.acquire_again(ask_id, driver) {
                self.fail(ask_id, Failed::before(error), driver);
            }
            return;
        }
        let failed = Failed {
            error,
            unsent,
            was_closed,
            connected: true,
        };
        self.fail(ask_id, failed, driver);
    }

    /// There is no answer in time.
    #[cold]
    pub(crate) fn answer_timed_out(&mut self, ask_id: u32, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get(ask_id) else {
            return;
        };
        let within = ask.until.since(ask.began);
        let Some((id, link)) = ask.link.and_then(|id| Some((id, self.links.get(id)?))) else {
            return;
        };
        let slot = link.backend;
        let waits_for_memory = link.partial.as_ref().is_some_and(|partial| partial.waits);
        let unsent = !link.heard && !link.sent;
        let error = match ask.too_late() {
            _ if waits_for_memory => AttemptError::NoMemory,
            Some(error) => error,
            None => TimedOut::Answer { within }.into(),
        };
        let is_blamed = error.blames_backend();
        let is_dead = link.is_reused && !link.heard && is_blamed;
        if is_blamed {
            self.address_failed(id);
        }
        self.drop_link(id, driver);
        if is_dead {
            // What lies between may have forgotten them all: those that are kept are not used up one by one.
            self.drop_idle(slot, driver);
        }
        let failed = Failed {
            error,
            unsent,
            was_closed: false,
            connected: true,
        };
        if let Some(ask) = self.asks.get_mut(ask_id) {
            ask.link = None;
        }
        self.fail(ask_id, failed, driver);
    }

    /// A connection is looked at: whether it was accepted, whether its first answer takes too long, whether it still
    /// owes its blank line.
    #[cold]
    pub(crate) fn link_rings(&mut self, id: u32, at: Time, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.armed == at {
            link.armed = Time::NEVER;
        }
        match link.state {
            LinkState::Settling => match link.since.after(crate::upstream::SETTLE) {
                end if end <= now => self.drop_link(id, driver),
                end => self.arm_link(id, end),
            },
            LinkState::Asking(_) if !link.is_reused => {
                let (accepted, crowded) = (
                    link.since.after(crate::upstream::ACCEPTED),
                    link.since.after(CROWDED),
                );
                if now < accepted {
                    return self.arm_link(id, accepted);
                }
                self.accept_link(id);
                if now < crowded {
                    self.arm_link(id, crowded)
                } else {
                    self.look_at_unanswered(id, driver)
                }
            }
            _ => {}
        }
    }

    /// A connection has brought its first answer.
    #[inline]
    pub(crate) fn note_first_answer(&mut self, id: u32) {
        let link = self.links.get(id);
        if link.is_some_and(|link| link.is_opening || link.is_unanswered) {
            self.count_first_answer(id);
        }
    }

    #[cold]
    fn count_first_answer(&mut self, id: u32) {
        self.accept_link(id);
        if let Some(link) = self.links.get_mut(id)
            && mem::take(&mut link.is_unanswered)
            && let Some(backend) = self.backends.get_mut(link.backend.index())
        {
            backend.unanswered -= 1;
        }
    }

    /// A connection has been accepted, as far as can be told: more may be opened.
    #[cold]
    fn accept_link(&mut self, id: u32) {
        if let Some(link) = self.links.get_mut(id)
            && mem::take(&mut link.is_opening)
        {
            let slot = link.backend;
            self.end_opening(slot);
        }
    }

    #[cold]
    fn end_opening(&mut self, slot: Slot) {
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.opening -= 1;
            if !backend.waiting.is_empty() {
                self.work.push_back(Work::Serve(slot));
            }
        }
    }

    /// Closes a connection, and gives its permit back.
    #[cold]
    pub(crate) fn drop_link(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let slot = link.backend;
        let was_idle = link.state == LinkState::Idle;
        if was_idle && let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.idle.retain(|other| *other != id);
            self.tell_idle(slot);
        }
        self.close_link(id, driver);
        self.give_back_permit(slot, driver);
    }

    /// Closes a connection. Its permit is somebody else's.
    #[cold]
    pub(crate) fn close_link(&mut self, id: u32, driver: &mut impl BackendDriver) {
        self.note_first_answer(id);
        self.drop_partial(id, driver);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.state = LinkState::Free;
        let (slot, address) = (link.backend, link.address);
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.addresses.closed(address);
        }
        driver.close(LinkId(id));
        self.links.free(id);
    }

    /// A request leaves its attempt, however far that is.
    #[cold]
    pub(crate) fn leave_attempt(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        // A permit that comes free now, its own perhaps, is not for this attempt any more.
        let state = mem::replace(&mut ask.state, AskState::Between);
        let (slot, link) = (ask.slot, ask.link.take());
        match state {
            AskState::Free => ask.state = AskState::Free,
            AskState::Between | AskState::Queued => {}
            AskState::Asking => {
                if let Some(link) = link {
                    self.drop_link(link, driver);
                }
            }
            AskState::Opening => {
                let was_looking = mem::take(&mut ask.opening.is_looking);
                let counts = mem::take(&mut ask.opening.counts);
                let others = mem::take(&mut ask.opening.others);
                for link in link.into_iter().chain(others) {
                    self.close_link(link, driver);
                }
                if was_looking && let Some(backend) = self.backends.get_mut(slot.index()) {
                    backend.looking.retain(|(other, _)| *other != id);
                }
                if counts {
                    self.end_opening(slot);
                }
                self.give_back_permit(slot, driver);
            }
        }
    }
}
