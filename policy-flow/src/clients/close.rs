//! The end of a client's connection: by the client, by a limit, by an error, or by a drain.

use super::{
    ClientError, ClientEvent, Clients, Wait,
    client::{Client, State},
};
use crate::{AskId, ClientDriver, ClientId};

impl Clients {
    /// A client has gone: its connection was reset, or both of its ways are closed. The request that was worked on for it,
    /// if backends are asked.
    pub fn gone(&mut self, client: ClientId, driver: &mut impl ClientDriver) -> Option<AskId> {
        let ask = self.slab.get_mut(client.0)?.ask.take();
        self.close(client.0, driver);
        ask
    }

    /// Closes the connection of a client.
    pub fn end(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        self.close(client.0, driver);
    }

    /// From now on each connection ends as soon as it is between two requests, those that are accepted later as well. The
    /// rest of a request is not waited for as long as else: see [`hurry`](Self::hurry).
    pub fn drain(&mut self, driver: &mut impl ClientDriver) {
        self.is_draining = true;
        self.hurry();
        self.leave_idle(driver);
    }

    /// From now on the rest of a request that has begun, or begins, is waited for 3 s at the most: a program that asks sends
    /// a request at once, and one that stops half-way is not to hold the end of a server up. Requests that have come whole
    /// are answered as before.
    pub fn hurry(&mut self) {
        if std::mem::replace(&mut self.is_hurried, true) {
            return;
        }
        let now = self.clock.now;
        let mut next = self.queue(Wait::Rest).first();
        while let Some(client) = next.and_then(|id| self.slab.get_mut(id)) {
            client.since = now;
            next = Some(client.after);
        }
        self.arm_first(Wait::Rest);
    }

    pub(super) fn leave_idle(&mut self, driver: &mut impl ClientDriver) {
        while let Some(id) = self.queue(Wait::Idle).first() {
            self.leave(id, driver);
        }
    }

    /// Closes the connection of a client whose request begins as one of another protocol.
    pub(crate) fn refuse_foreign(
        &mut self,
        client: ClientId,
        received: &[u8],
        driver: &mut impl ClientDriver,
    ) {
        if let Some(Client { peer, .. }) = self.slab.get(client.0) {
            driver.client_event(ClientEvent::Refused {
                client,
                peer: *peer,
                error: None,
                received,
            });
        }
        self.close(client.0, driver);
    }

    /// A client has waited for too long.
    #[cold]
    pub(super) fn time_out(&mut self, id: u32, wait: Wait, driver: &mut impl ClientDriver) {
        match wait {
            Wait::Idle => self.close(id, driver),
            Wait::Rest => self.refuse(id, &ClientError::TooSlow, driver),
            Wait::Reply => self.refuse(id, &ClientError::Unread, driver),
            Wait::Short | Wait::ShortLarge => self.refuse(id, &ClientError::NoMemory, driver),
        }
    }

    /// Closes a connection, and says why.
    #[cold]
    pub(super) fn refuse(&mut self, id: u32, error: &ClientError, driver: &mut impl ClientDriver) {
        if let Some(client) = self.slab.get(id) {
            let partial = client.partial.as_ref();
            driver.client_event(ClientEvent::Refused {
                client: ClientId(id),
                peer: client.peer,
                error: Some(error),
                received: partial.map_or(&[], |partial| &partial.buf[..]),
            });
        }
        self.close(id, driver);
    }

    #[cold]
    pub(super) fn close(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if self.forget(id) {
            driver.close_client(ClientId(id));
            self.serve_short(driver);
        }
    }

    #[cold]
    pub(super) fn leave(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if self.forget(id) {
            driver.leave_client(ClientId(id));
            self.serve_short(driver);
        }
    }

    /// Nothing of a client is left but its number.
    #[cold]
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let state = self.state(id);
        let wait = match state {
            State::Free => return false,
            State::Idle => Some(Wait::Idle),
            State::Rest => Some(Wait::Rest),
            State::Short => Some(Wait::Short),
            State::ShortLarge => Some(Wait::ShortLarge),
            State::Replying => Some(Wait::Reply),
            State::Busy => None,
        };
        if let Some(wait) = wait {
            self.unwait(id, wait);
        }
        if state == State::Busy {
            self.ready.retain(|(client, _)| client.0 != id);
        }
        if let Some(client) = self.slab.get_mut(id) {
            client.state = State::Free;
            client.partial = None;
            client.ask = None;
            if std::mem::take(&mut client.usual) {
                self.memory.give_back_usual();
            }
            self.memory
                .give_back_large(std::mem::take(&mut client.large));
            self.places.give_back(client.peer.origin());
        }
        self.count -= 1;
        self.slab.free(id);
        true
    }
}
