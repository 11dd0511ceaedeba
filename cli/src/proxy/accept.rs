//! Who comes to a worker, and gets a place.

use std::os::fd::OwnedFd;

use policy_flow::{Peer, Refusal};

use crate::{
    daemon::worker::admission::{self, Door, peer_of},
    proxy::{Made, event_loop::EventLoop, listeners::Accepted},
};

impl EventLoop {
    /// Accepts connections, some at a time: those that are served have their turn.
    pub(super) fn accept(&mut self) {
        for _ in 0..MAX_ACCEPTED {
            match self.listeners.accept(self.io.now) {
                None => return,
                Some(Accepted::Connection(connection, door)) => self.accepted(connection, door),
                Some(Accepted::Failed(error)) => {
                    let journal = &self.common.proxy.journal;
                    return journal.cannot_accept(&error);
                }
            }
        }
    }

    fn accepted(&mut self, connection: OwnedFd, door: Door) {
        let Some(peer) = peer_of(&connection) else {
            return;
        };
        // Nobody else leaves for a process that only looks whose socket this is.
        if self.common.is_successors(&connection, peer) || !self.common.allows(peer, door) {
            return;
        }
        if let Some(connection) = self.common.crew.share_out(self.worker, connection) {
            self.admit(connection, peer, 0, Made::Here);
        }
    }

    /// Serves a connection, if there is a place for it: so many workers have had none.
    pub(super) fn admit(&mut self, connection: OwnedFd, peer: Peer, before: usize, made: Made) {
        let accepted = self.io.flow.accept(peer, &mut self.io.driver);
        let refusal = match accepted {
            Ok(client) => {
                let clients = &mut self.io.driver.clients;
                if clients.open(client, connection, made).is_err() {
                    return self.io.flow.client_gone(client, &mut self.io.driver);
                }
                // Its request may have come already: so it is known, too, whether it is idle.
                self.io.look_at_client(client);
                if !self.is_serving() {
                    self.io.flow.drain(&mut self.io.driver);
                }
                return;
            }
            Err(refusal) => refusal,
        };
        let crew = &self.common.crew;
        if refusal == Refusal::Full
            && crew
                .pass_on(self.worker, connection, before, made)
                .is_none()
        {
            return;
        }
        let all = self.common.max_clients;
        let refusal = admission::Refusal::no_place(peer, refusal, all);
        self.common.proxy.journal.turned_away(&refusal);
    }
}

/// As many connections as are accepted in one turn.
const MAX_ACCEPTED: usize = 64;
