//! The reply to a client's request.

use policy_proto::Response;

use super::{Clients, Wait, client::State};
use crate::{AskId, ClientDriver, ClientId, Sent};

impl Clients {
    /// Replies to the request of a client. Nothing happens if it has gone.
    pub fn reply(&mut self, client: ClientId, response: &Response, driver: &mut impl ClientDriver) {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        response.encode(&mut out);
        self.reply_with(client, &out, driver);
        self.out = out;
    }

    /// The same with bytes that need not be a reply of the protocol.
    pub fn reply_with(&mut self, client: ClientId, bytes: &[u8], driver: &mut impl ClientDriver) {
        let id = client.0;
        if self.state(id) != State::Busy {
            return;
        }
        match driver.send_client(client, bytes) {
            Ok(Sent::All) => self.replied(id, driver),
            Ok(Sent::Part) => {
                self.set(id, State::Replying);
                self.wait(id, Wait::Reply);
            }
            Err(_) => self.close(id, driver),
        }
    }

    /// The system has taken the rest of a reply.
    pub fn flushed(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        if self.state(client.0) == State::Replying {
            self.unwait(client.0, Wait::Reply);
            self.replied(client.0, driver);
        }
    }

    /// A reply has been sent: there may be a next request.
    pub(super) fn replied(&mut self, id: u32, driver: &mut impl ClientDriver) {
        let decoded = self.go_on(id, driver);
        let has_ended = self.slab.get(id).is_some_and(|client| client.has_ended);
        if has_ended && matches!(decoded, Ok(None)) {
            return self.cut_off(id, driver);
        }
        self.give_back_large(id, driver);
        self.decoded(id, decoded, None, driver);
        if self.is_reading(ClientId(id)) {
            driver.resume_client(ClientId(id));
        }
    }

    /// A client is between two requests.
    pub(super) fn rest(&mut self, id: u32, driver: &mut impl ClientDriver) {
        self.give_back_memory(id, driver);
        self.set(id, State::Idle);
        self.wait(id, Wait::Idle);
        let Some(client) = self.slab.get(id) else {
            return;
        };
        match (client.has_ended, self.is_draining) {
            (true, _) => self.close(id, driver),
            (false, true) => self.leave(id, driver),
            (false, false) => {}
        }
    }

    /// The client's request is put to backends.
    pub(crate) fn set_ask(&mut self, client: ClientId, ask: AskId) {
        if let Some(client) = self.slab.get_mut(client.0) {
            client.ask = Some(ask);
        }
    }
}
