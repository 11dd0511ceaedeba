//! The rules for one request: affinity, and the default action where no backend answers.

use std::time::Duration;

use policy_proto::{Request, Response};

use super::Flow;
use crate::{ClientEvent, ClientId, Done, Driver, Slot, foreign::is_foreign, message::message_of};

impl Flow {
    /// A request has come whole: it is put to the backends, with the one that answered the last of its message.
    pub(super) fn begin(&mut self, client: ClientId, request: Request, driver: &mut impl Driver) {
        if self.options.strict && is_foreign(&request) {
            return self
                .clients
                .refuse_foreign(client, request.as_bytes(), driver);
        }
        let is_policy = request.is_access_policy();
        driver.client_event(ClientEvent::Request {
            client,
            request: &request,
            is_policy,
        });
        match &mut self.upstream {
            Some(upstream) if is_policy => {
                let message = if self.options.affinity {
                    message_of(&request)
                } else {
                    None
                };
                let stick = self.clients.stick(client, message);
                let ask = upstream.ask(request, stick, u64::from(client.0), driver);
                self.clients.set_ask(client, ask);
            }
            _ => self.reply(client, &request, Reply::default(), driver),
        }
    }

    /// A backend has answered a request, or nobody has.
    pub(super) fn finish(&mut self, done: Done, driver: &mut impl Driver) {
        let client = ClientId(u32::try_from(done.owner).unwrap_or(u32::MAX));
        let answer = done.result.ok();
        let stick = answer.as_ref().map(|answer| answer.stick);
        self.clients.set_stick(client, stick);
        let reply = Reply {
            answered: answer.map(|answer| (answer.backend, answer.response)),
            failed: done.failed,
            took: done.took,
        };
        self.reply(client, &done.request, reply, driver);
    }

    fn reply(
        &mut self,
        client: ClientId,
        request: &Request,
        reply: Reply,
        driver: &mut impl Driver,
    ) {
        let answered = reply.answered.as_ref();
        let response = answered
            .map(|(_, response)| response)
            .or(self.options.default.as_ref());
        driver.client_event(ClientEvent::Replied {
            client,
            request,
            took: reply.took,
            answered: answered.map(|(backend, _)| *backend),
            failed: reply.failed,
            response,
        });
        match response {
            Some(response) => self.clients.reply(client, response, driver),
            None => self.clients.end(client, driver),
        }
    }
}

/// What has come of a request.
#[derive(Debug, Default)]
struct Reply {
    answered: Option<(Slot, Response)>,
    failed: u64,
    took: Duration,
}
