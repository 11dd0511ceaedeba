//! The look-up of a backend's addresses, and what a change of them means for its connections.

use std::{io, mem};

use crate::upstream::{
    AskState, AttemptError, Event, Upstream, ask::failover::Failed, error::again,
};
use crate::{Address, BackendDriver, Failure, Slot};

impl Upstream {
    /// Has the addresses of a backend looked up again, if it is time.
    pub(crate) fn refresh(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        let now = self.clock.now;
        if let Some(backend) = self.backends.get_mut(slot.index())
            && backend.addresses.begin_look_up(now)
        {
            driver.resolve(slot);
        }
    }

    /// A look-up has ended.
    #[cold]
    pub(crate) fn take_addresses(
        &mut self,
        slot: Slot,
        found: Result<Vec<Address>, Failure>,
        driver: &mut impl BackendDriver,
    ) {
        let now = self.clock.now;
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        let error = match found {
            Ok(list) if !list.is_empty() => {
                backend.addresses.found(now, &list);
                None
            }
            Ok(_) => {
                backend.addresses.not_found(now);
                let text = "the name has no address";
                Some(Failure::Peer(io::Error::new(io::ErrorKind::NotFound, text)))
            }
            Err(failure) => {
                backend.addresses.not_found(now);
                Some(failure)
            }
        };
        if let Some(Failure::Local(error) | Failure::Peer(error) | Failure::Unread(error)) = &error
            && !backend.addresses.is_empty()
        {
            driver.event(Event::StaleAddresses {
                backend: slot,
                error,
            });
        }
        let looking = mem::take(&mut backend.looking);
        let has_none = backend.addresses.is_empty();
        self.drop_moved(slot, driver);
        for (id, serial) in looking {
            let Some(ask) = self.asks.get_mut(id) else {
                continue;
            };
            let is_this = ask.serial == serial && ask.slot == slot;
            if !is_this || ask.state != AskState::Opening || !mem::take(&mut ask.opening.is_looking)
            {
                continue;
            }
            let result = match &error {
                Some(failure) if has_none => Err(repeated(failure)),
                _ => self.race(id, driver),
            };
            if let Err(error) = result {
                self.fail(id, Failed::before(error), driver);
            }
        }
    }

    /// Closes idle connections to addresses that the backend has no more.
    #[cold]
    pub(crate) fn drop_moved(&mut self, slot: Slot, driver: &mut impl BackendDriver) {
        let Some(backend) = self.backends.get(slot.index()) else {
            return;
        };
        let is_moved = |id: &u32| {
            let link = self.links.get(*id);
            link.is_some_and(|link| !backend.addresses.contains(link.address))
        };
        let moved: Vec<u32> = backend.idle.iter().copied().filter(is_moved).collect();
        for link in moved {
            self.drop_link(link, driver);
        }
    }
}

/// The same failure for one more request.
fn repeated(failure: &Failure) -> AttemptError {
    match failure {
        Failure::Local(error) => AttemptError::Local(again(error)),
        Failure::Peer(error) | Failure::Unread(error) => AttemptError::Connect(again(error)),
    }
}
