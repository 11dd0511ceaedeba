//! New connections of a worker: accepted by it, or passed on by another thread.

use policy_daemon::worker::Transfer;
use policy_flow::{Peer, Refusal};
use policy_socket::Peer as SocketPeer;

use crate::{
    journal::admission,
    proxy::{event_loop::EventLoop, listeners::Accepted, socket::NewSocket},
};

impl EventLoop {
    /// Accepts connections, some at a time: those that are served have their turn.
    pub(super) fn accept(&mut self) {
        for _ in 0..MAX_ACCEPTED {
            match self.listeners.accept(self.io.now) {
                None => return,
                Some(Accepted::Connection(connection, peer, origin, listener)) => {
                    if let Some(connection) = self.context.admit(connection, peer, origin) {
                        self.admit(Transfer::accepted(connection), peer, listener);
                    }
                }
                Some(Accepted::Failed(error)) => return self.journal().cannot_accept(&error),
            }
        }
    }

    /// Serves a connection that another thread has passed on.
    pub(super) fn take(&mut self, transfer: Transfer) {
        // A client that is gone has no address.
        if let Some(peer) = SocketPeer::of(&transfer.connection) {
            let listener = self.listeners.number_of(&transfer.connection);
            self.admit(transfer, peer, listener);
        }
    }

    /// Serves a connection by the rules of this listener, if there is a place for it.
    fn admit(&mut self, transfer: Transfer, peer: SocketPeer, listener: u16) {
        let is_unix = matches!(peer, SocketPeer::User(_));
        let peer = match peer {
            SocketPeer::Address(address) => Peer::from(address),
            SocketPeer::User(user) => Peer::User(user),
        };
        let accepted = self.io.flow.accept_at(listener, peer, &mut self.io.driver);
        let refusal = match accepted {
            Ok(client) => {
                let socket = NewSocket {
                    fd: transfer.connection,
                    is_unix,
                    made_by: transfer.made_by,
                };
                if self.io.driver.clients.open(client, socket).is_err() {
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
        let refused = match refusal {
            Refusal::Full => self.context.pass_on(transfer),
            _ => Some(transfer),
        };
        // It is closed after that: who sees its end finds it counted.
        if let Some(_transfer) = refused {
            let all = self.context.max_clients();
            let refusal = admission::Refusal::new(peer, refusal, all);
            self.io.driver.metrics.client_turned_away();
            self.journal().turned_away(&refusal);
        }
    }
}

/// The connections that are accepted in one turn.
const MAX_ACCEPTED: usize = 64;
