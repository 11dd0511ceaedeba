//! A connection's place among the clients of its server.

use std::task::Context;

use policy_flow::ClientId;

use super::{
    clients::{Clients, End, Machine},
    wire::{Driver, Wire},
};

/// Its place among the clients, which it gives up in the end.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) clients: Clients,
    /// Nothing once the state machine has closed the connection: its number may be another's.
    pub(super) client: Option<ClientId>,
    pub(super) seat: usize,
}

/// What the state machine says of a connection.
pub(super) enum Look {
    /// So many bytes may be read.
    Open {
        room: usize,
    },
    Ended(End),
    /// It ended, and that was told.
    Over,
}

impl Place {
    /// A new one.
    pub(super) fn new(clients: Clients) -> Self {
        let (client, seat) = clients.accept();
        Self {
            clients,
            client,
            seat,
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
        self.clients.with(|Machine { flow, seats }| {
            let mut driver = Driver { wire, cx, seats };
            act(flow, client, &mut driver);
            if let Some((_, request)) = flow.take_request() {
                driver.wire.request = Some(request);
            }
        });
    }

    /// What the state machine says, which wakes this task when that changes.
    pub(super) fn look(&mut self, cx: &Context<'_>) -> Look {
        let Self {
            clients,
            client: Some(client),
            seat,
        } = &*self
        else {
            return Look::Over;
        };
        let (look, _old) = clients.look(|Machine { flow, seats }| {
            let Some(seat) = seats.get_mut(*seat) else {
                return (Look::Over, None);
            };
            if let Some(end) = seat.end.take() {
                return (Look::Ended(end), None);
            }
            let room = flow.room(*client);
            let is_known = seat
                .waker
                .as_ref()
                .is_some_and(|old| old.will_wake(cx.waker()));
            let old = match is_known {
                true => None,
                false => seat.waker.replace(cx.waker().clone()),
            };
            (Look::Open { room }, old)
        });
        if matches!(look, Look::Ended(_)) {
            self.client = None;
        }
        look
    }

    /// The connection is not served on.
    pub(super) fn leave(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let seat = self.seat;
        self.clients.with(|Machine { flow, seats }| {
            // If the state machine has closed it, its number may be another's.
            if seats.get_mut(seat).is_some_and(|seat| seat.end.is_none()) {
                flow.gone(client, seats);
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
        let seat = self.seat;
        drop(self.clients.look(|machine| machine.seats.remove(seat)));
    }
}
