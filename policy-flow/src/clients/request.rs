//! A client's request, from its first byte until it has come whole.

use bytes::BytesMut;
use policy_proto::{DecodeError, Request};

use super::{
    ClientError, Clients, Wait,
    client::{Partial, State},
};
use crate::{ClientDriver, ClientId};

impl Clients {
    /// This has come from a client; not more than [`room`](Self::room) said, so that memory has a limit.
    pub fn data(&mut self, client: ClientId, data: &[u8], driver: &mut impl ClientDriver) {
        let id = client.0;
        let Some(client) = self.slab.get_mut(id) else {
            return;
        };
        if client.state == State::Idle && data.first().is_some_and(|byte| *byte > b'\r') {
            // As a rule.
            return self.begin(id, data, driver);
        }
        match client.state {
            State::Free => {}
            // A blank line begins no request, needs no memory, and does not keep a client from being idle.
            State::Idle if without_blank_lines(data).is_empty() => {}
            State::Idle => self.begin(id, data, driver),
            State::Rest => {
                if let Some(partial) = &mut client.partial {
                    partial.buf.extend_from_slice(data);
                }
                let decoded = self.go_on(id, driver);
                self.decoded(id, decoded, Some(Wait::Rest), driver);
            }
            _ => self.keep(id, data),
        }
    }

    /// A request begins, and is whole as a rule.
    pub(super) fn begin(&mut self, id: u32, data: &[u8], driver: &mut impl ClientDriver) {
        self.unwait(id, Wait::Idle);
        // More than one byte was read since there was memory. Another worker may have taken that meanwhile, but what has
        // been read may be a whole request, after which nothing comes.
        if data.len() > 1 {
            self.memory.take_usual_anyway();
        } else if !self.memory.take_usual() {
            return self.fall_short(id, data, driver);
        }
        if let Some(client) = self.slab.get_mut(id) {
            client.usual = true;
        }
        let decoded = self.begin_request(id, data, driver);
        self.decoded(id, decoded, None, driver);
    }

    /// A client will send no more: all that it sent has been reported. It may still wait for its reply.
    pub fn ended(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        let id = client.0;
        let Some(client) = self.slab.get_mut(id) else {
            return;
        };
        client.has_ended = true;
        match client.state {
            State::Idle => self.close(id, driver),
            State::Rest => {
                self.report_rest(id, driver);
                self.cut_off(id, driver);
            }
            _ => {}
        }
    }

    /// A request that has come whole, and whose it is. Each is to be [replied](Self::reply) to, or its client
    /// [closed](Self::end).
    pub fn take_request(&mut self) -> Option<(ClientId, Request)> {
        self.ready.pop_front()
    }

    /// What has come of a client's request that has not come whole.
    pub(crate) fn received(&self, client: ClientId) -> &[u8] {
        let client = self
            .slab
            .get(client.0)
            .filter(|client| client.state == State::Rest);
        let partial = client.and_then(|client| client.partial.as_ref());
        partial.map_or(&[], |partial| &partial.buf[..])
    }

    /// What has come of a request: it waits for the rest, unless `waits` says that it does so already.
    pub(super) fn decoded(
        &mut self,
        id: u32,
        decoded: Result<Option<Request>, DecodeError>,
        waits: Option<Wait>,
        driver: &mut impl ClientDriver,
    ) {
        match decoded {
            Ok(Some(request)) => {
                if let Some(wait) = waits {
                    self.unwait(id, wait);
                }
                self.set(id, State::Busy);
                let now = self.clock.now;
                if let Some(client) = self.slab.get_mut(id) {
                    client.since = now;
                }
                self.ready.push_back((ClientId(id), request));
            }
            Ok(None) if self.has_begun(id) => {
                if waits.is_none() {
                    self.set(id, State::Rest);
                    self.wait(id, Wait::Rest);
                }
                if self.is_large(id) {
                    self.take_large(id, driver);
                }
            }
            Ok(None) => {
                if let Some(wait) = waits {
                    self.unwait(id, wait);
                }
                self.rest(id, driver);
            }
            Err(error) => self.refuse(id, &ClientError::Decode(error), driver),
        }
    }

    pub(super) fn has_begun(&self, id: u32) -> bool {
        self.slab
            .get(id)
            .is_some_and(|client| client.partial.is_some())
    }

    /// Keeps what has come while a request is worked on.
    #[cold]
    pub(super) fn keep(&mut self, id: u32, data: &[u8]) {
        let decoder = self.options.decoder();
        if let Some(client) = self.slab.get_mut(id) {
            let partial = client.partial.get_or_insert_with(|| {
                Box::new(Partial {
                    decoder,
                    buf: BytesMut::new(),
                })
            });
            partial.buf.extend_from_slice(data);
        }
    }

    /// A client has ended, and what it sent last may be a part of a request.
    pub(super) fn cut_off(&mut self, id: u32, driver: &mut impl ClientDriver) {
        let partial = self.slab.get(id).and_then(|client| client.partial.as_ref());
        match partial.map_or(Ok(()), |partial| partial.decoder.finish(&partial.buf)) {
            Ok(()) => self.close(id, driver),
            Err(error) => self.refuse(id, &ClientError::Decode(error), driver),
        }
    }
}

fn without_blank_lines(mut data: &[u8]) -> &[u8] {
    while let [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] = data {
        data = rest;
    }
    data
}
