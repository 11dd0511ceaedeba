//! The opening of a connection, with a look-up where that is needed, and the request that is put on it.

use std::mem;

use crate::upstream::{
    AskState, AttemptError, Event, Kind, LinkState, RACE_DELAY, TimedOut, Upstream, ask::Opening,
    ask::failover::Failed,
};
use crate::{Address, BackendDriver, Failure, LinkId, Sent, clock::Time};

impl Upstream {
    /// A request has a permit, and no connection.
    #[cold]
    pub(crate) fn open(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), AttemptError> {
        let now = self.clock.now;
        let Some(ask) = self.asks.get_mut(id) else {
            return Ok(());
        };
        let slot = ask.slot;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return Ok(());
        };
        backend.opening += 1;
        ask.granted = ask.granted.min(now);
        ask.state = AskState::Opening;
        ask.opening = Opening {
            counts: true,
            others: mem::take(&mut ask.opening.others),
            race_at: Time::NEVER,
            ..Opening::default()
        };
        let connect = backend.options.connect.map(|within| now.after(within));
        ask.wait_until = connect.map_or(ask.until, |end| end.min(ask.until));
        if let Kind::Request(owner) = ask.kind {
            driver.event_for(owner, Event::Opening(slot));
        }
        let is_stale = backend.addresses.are_stale(now);
        if backend.addresses.is_empty() || is_stale {
            ask.opening.is_looking = true;
            backend.looking.push((id, ask.serial));
            ask.due = ask.wait_until;
            if is_stale {
                // The name may have moved meanwhile. A look-up that takes long does not hold a request up.
                ask.due = ask.due.min(now.after(RACE_DELAY));
            }
            self.refresh(slot, driver);
            self.arm(id);
            return Ok(());
        }
        self.race(id, driver)
    }

    /// Puts a request on a connection, which is this request's from now on.
    pub(crate) fn send(
        &mut self,
        ask_id: u32,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), Failure> {
        let now = self.clock.now;
        let (Some(ask), Some(link)) = (self.asks.get_mut(ask_id), self.links.get_mut(id)) else {
            return Ok(());
        };
        let Some(request) = &ask.request else {
            return Ok(());
        };
        link.heard = false;
        link.sent = false;
        let sent = driver.send(LinkId(id), request.as_bytes())?;
        ask.granted = ask.granted.min(now);
        link.state = LinkState::Asking(ask_id);
        link.since = now;
        link.sent = sent == Sent::All;
        ask.state = AskState::Asking;
        ask.link = Some(id);
        ask.due = ask.until;
        self.arm(ask_id);
        Ok(())
    }

    /// The time for connecting is over.
    #[cold]
    pub(crate) fn opening_timed_out(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(ask) = self.asks.get(id) else {
            return;
        };
        let Some(backend) = self.backends.get(ask.slot.index()) else {
            return;
        };
        if let Some(error) = ask.too_late() {
            return self.fail(id, Failed::before(error), driver);
        }
        let host = backend.host.clone();
        let racing: Vec<u32> = ask
            .link
            .iter()
            .chain(&ask.opening.others)
            .copied()
            .collect();
        let first = racing.first().and_then(|id| self.links.get(*id));
        let timed_out = match first.map(|link| link.address) {
            None if ask.opening.is_looking => TimedOut::LookUp(host),
            Some(Address::Inet(address)) => TimedOut::Connect(Some(address.to_string().into())),
            _ if host.is_empty() => TimedOut::Connect(None),
            _ => TimedOut::Connect(Some(host)),
        };
        for id in racing {
            self.address_failed(id);
        }
        self.fail(id, Failed::before(timed_out.into()), driver);
    }
}
