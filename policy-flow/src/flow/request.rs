//! The rules for one request: its group, affinity, and the default action where no backend answers.

use std::time::Duration;

use policy_proto::{Request, Response};

use super::{Flow, routing::Way};
use crate::{
    ClientEvent, ClientId, Done, Driver, Slot, clients::NO_GROUP, foreign::is_foreign,
    message::message_of,
};

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
                let way = match &self.options.routing {
                    None => Way {
                        group: 0,
                        affinity: self.options.affinity,
                        deadline: None,
                    },
                    Some(routing) => routing.way(self.clients.listener(client), &request),
                };
                let stick = if way.affinity {
                    self.clients.stick(client, way.group, message_of(&request))
                } else {
                    self.clients.without_stick(client, way.group);
                    None
                };
                let (group, owner) = (usize::from(way.group), u64::from(client.0));
                let ask = upstream.ask_group(group, way.deadline, request, stick, owner, driver);
                self.clients.set_ask(client, ask);
            }
            _ => {
                self.clients.without_stick(client, NO_GROUP);
                self.reply(client, &request, Reply::default(), driver);
            }
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
        let group = self.clients.group(client);
        let response = match answered {
            Some((_, response)) => Some(response),
            None => self
                .options
                .unanswered(self.clients.listener(client), group),
        };
        driver.client_event(ClientEvent::Replied {
            client,
            request,
            took: reply.took,
            group: usize::from(group),
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
