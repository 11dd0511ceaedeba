//! The race between the addresses of a backend.
//!
//! Addresses are tried one after the other, 250 ms apart or as soon as one fails, and the first that is connected is
//! used (RFC 8305).

use std::{io, mem};

use crate::upstream::{
    ACCEPTED, AskState, AttemptError, Event, FULL_PAUSE, Kind, LinkState, RACE_DELAY, Upstream,
    ask::failover::Failed, link::Link,
};
use crate::{Address, BackendDriver, Connecting, Failure, LinkId, Slot};

impl Upstream {
    /// It is time for the next address.
    pub(crate) fn race_on(&mut self, id: u32, driver: &mut impl BackendDriver) {
        if let Err(error) = self.race(id, driver) {
            self.fail(id, Failed::before(error), driver);
        }
    }

    /// Tries the next address.
    #[cold]
    pub(crate) fn race(
        &mut self,
        id: u32,
        driver: &mut impl BackendDriver,
    ) -> Result<(), AttemptError> {
        let now = self.clock.now;
        loop {
            let Some(ask) = self.asks.get_mut(id) else {
                return Ok(());
            };
            let slot = ask.slot;
            let Some(backend) = self.backends.get_mut(slot.index()) else {
                return Ok(());
            };
            let before = ask.opening.raced;
            let Some(address) = backend.addresses.next(&mut ask.opening.raced) else {
                if ask.link.is_some() {
                    break;
                }
                let error = ask.opening.error.take();
                return Err(AttemptError::Connect(error.unwrap_or_else(no_address)));
            };
            let new = self.links.take(Link::new);
            match driver.connect(LinkId(new), slot, address) {
                Ok(Connecting::Pending) => {
                    self.begin_link(new, slot, address, id);
                    if let Some(ask) = self.asks.get_mut(id) {
                        ask.opening.race_at = now.after(RACE_DELAY);
                    }
                    break;
                }
                Ok(Connecting::Done) => {
                    self.begin_link(new, slot, address, id);
                    self.use_connected(new, driver);
                    return Ok(());
                }
                Ok(Connecting::Full) => {
                    self.links.free_now(new);
                    ask.opening.raced = before;
                    if !mem::replace(&mut ask.opening.is_full, true) {
                        backend.full.push_back((id, ask.serial));
                    }
                    ask.opening.race_at = now.after(FULL_PAUSE);
                    break;
                }
                Err(Failure::Local(error)) => {
                    self.links.free_now(new);
                    return Err(AttemptError::Local(error));
                }
                Err(Failure::Peer(error) | Failure::Unread(error)) => {
                    self.links.free_now(new);
                    ask.opening.error = Some(error);
                    backend.addresses.failed(address);
                }
            }
        }
        if let Some(ask) = self.asks.get_mut(id)
            && let Some(backend) = self.backends.get(ask.slot.index())
        {
            ask.due = ask.wait_until;
            if backend.addresses.has_more(ask.opening.raced) {
                ask.due = ask.due.min(ask.opening.race_at);
            }
        }
        self.arm(id);
        Ok(())
    }

    #[cold]
    fn begin_link(&mut self, new: u32, slot: Slot, address: Address, id: u32) {
        let now = self.clock.now;
        if let Some(link) = self.links.get_mut(new) {
            let armed = link.armed;
            *link = Link {
                state: LinkState::Connecting(id),
                backend: slot,
                address,
                opened: now,
                armed,
                ..Link::new()
            };
        }
        if let Some(ask) = self.asks.get_mut(id) {
            match ask.link {
                None => ask.link = Some(new),
                Some(_) => ask.opening.others.push(new),
            }
        }
        if let Some(backend) = self.backends.get_mut(slot.index()) {
            backend.addresses.opened(address);
        }
    }

    /// The first connection of a race is open: it is used, and the others are closed.
    #[cold]
    pub(crate) fn use_connected(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let LinkState::Connecting(ask_id) = link.state else {
            return;
        };
        let slot = link.backend;
        link.state = LinkState::Asking(ask_id);
        link.is_opening = true;
        let Some(ask) = self.asks.get_mut(ask_id) else {
            return;
        };
        // The connection has the permit from now on, and counts as one that may not have been accepted.
        ask.state = AskState::Asking;
        ask.opening.counts = false;
        ask.opening.is_looking = false;
        let first = ask.link.replace(id);
        let mut others = mem::take(&mut ask.opening.others);
        let kind = ask.kind;
        let mut is_before = true;
        for other in first.into_iter().chain(others.drain(..)) {
            if other == id {
                is_before = false;
                continue;
            }
            if is_before {
                // It was tried earlier, and is slower or does not answer at all.
                self.address_failed(other);
            }
            self.close_link(other, driver);
        }
        if let Some(ask) = self.asks.get_mut(ask_id) {
            ask.opening.others = others;
        }
        if let Kind::Request(owner) = kind {
            driver.event_for(owner, Event::Connected(slot));
        } else if self
            .asks
            .get(ask_id)
            .is_some_and(|ask| ask.request.is_none())
        {
            return self.check_ended(ask_id, Ok(()), driver);
        }
        if let Err(failure) = self.send(ask_id, id, driver) {
            return self.end_link(id, Some(failure), driver);
        }
        let accepted = self.clock.now.after(ACCEPTED);
        self.arm_link(id, accepted);
    }

    /// A connection could not be opened.
    #[cold]
    pub(crate) fn connect_failed(
        &mut self,
        id: u32,
        ask_id: u32,
        failure: Option<Failure>,
        driver: &mut impl BackendDriver,
    ) {
        self.address_failed(id);
        self.close_link(id, driver);
        let Some(ask) = self.asks.get_mut(ask_id) else {
            return;
        };
        ask.opening.others.retain(|other| *other != id);
        if ask.link == Some(id) {
            // They stay in the order in which they were tried.
            let others = &mut ask.opening.others;
            ask.link = (!others.is_empty()).then(|| others.remove(0));
        }
        let result = match failure {
            Some(Failure::Local(error)) => Err(AttemptError::Local(error)),
            failure => {
                let error = match failure {
                    Some(Failure::Peer(error) | Failure::Unread(error)) => error,
                    _ => io::ErrorKind::ConnectionAborted.into(),
                };
                ask.opening.error = Some(error);
                self.race(ask_id, driver)
            }
        };
        if let Err(error) = result {
            self.fail(ask_id, Failed::before(error), driver);
        }
    }

    /// The address of a connection goes behind the others.
    pub(crate) fn address_failed(&mut self, id: u32) {
        if let Some(link) = self.links.get(id)
            && let Some(backend) = self.backends.get_mut(link.backend.index())
        {
            backend.addresses.failed(link.address);
        }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}
