//! A connection's registration among the clients of its server.

use std::task::Context;

use policy_flow::ClientId;

use super::{
    clients::{Clients, End, Machine},
    wire::{Driver, Wire},
};

/// Its place among the clients, which it gives up in the end.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) clients: Clients,
    /// Nothing once the state machine has closed the connection: its number may be another's.
    pub(super) client: Option<ClientId>,
    pub(super) entry: usize,
}

/// The state of a connection, by the state machine.
pub(super) enum State {
    /// So many bytes may be read.
    Open {
        room: usize,
    },
    Ended(End),
    /// It ended, and that was told.
    Over,
}

impl Registration {
    /// A new one.
    pub(super) fn new(clients: Clients) -> Self {
        let (client, entry) = clients.accept();
        Self {
            clients,
            client,
            entry,
        }
    }

    /// Whether nothing has come of a request.
    pub(super) fn is_idle(&self) -> bool {
        let idle = |client| self.clients.look(|machine| machine.flow.is_idle(client));
        self.client.is_some_and(idle)
    }

    /// Has the state machine do something for this connection.
    pub(super) fn call<Io: tokio::io::AsyncWrite + Unpin>(
        &self,
        wire: &mut Wire<Io>,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut policy_flow::Clients, ClientId, &mut Driver<'_, '_, Io>),
    ) {
        let Some(client) = self.client else {
            return;
        };
        self.clients.with(|Machine { flow, entries }| {
            let mut driver = Driver {
                client,
                wire,
                cx,
                entries,
            };
            act(flow, client, &mut driver);
            if let Some((_, request)) = flow.take_request() {
                driver.wire.request = Some(request);
            }
        });
    }

    /// The state, whose change wakes this task.
    pub(super) fn look(&mut self, cx: &Context<'_>) -> State {
        let Self {
            clients,
            client: Some(client),
            entry,
        } = &*self
        else {
            return State::Over;
        };
        let (look, _old) = clients.look(|Machine { flow, entries }| {
            let Some(entry) = entries.get_mut(*entry) else {
                return (State::Over, None);
            };
            if let Some(end) = entry.end.take() {
                return (State::Ended(end), None);
            }
            let room = flow.room(*client);
            let is_known = entry
                .waker
                .as_ref()
                .is_some_and(|old| old.will_wake(cx.waker()));
            if is_known {
                return (State::Open { room }, None);
            }
            let old = entry.waker.replace(cx.waker().clone());
            (State::Open { room }, old)
        });
        if matches!(look, State::Ended(_)) {
            self.client = None;
        }
        look
    }

    /// The connection is not served on.
    pub(super) fn leave(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let entry = self.entry;
        self.clients.with(|Machine { flow, entries }| {
            // If the state machine has closed it, its number may be another's.
            if entries
                .get_mut(entry)
                .is_some_and(|entry| entry.end.is_none())
            {
                flow.gone(client, entries);
            }
        });
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.leave();
        let entry = self.entry;
        drop(self.clients.look(|machine| machine.entries.remove(entry)));
    }
}
