//! The bytes that come over a connection: an answer, as a rule whole and at once.

use std::mem;

use bytes::{Buf, BytesMut};
use policy_proto::{DecodeError, Limits, MessageDecoder, Response};

use crate::BackendDriver;
use crate::upstream::{
    AttemptError, LinkState, SETTLE, Upstream,
    ask::failover::Failed,
    link::{Link, Partial},
};

/// What bytes are, after what came before.
enum Read {
    /// No whole answer yet.
    More,
    /// An answer, and what comes after it.
    Answer(Response, After),
    /// No answer.
    Invalid(AttemptError),
}

/// What has come after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    /// Nothing, and nothing is to come: the connection can be used again.
    Nothing,
    /// Its blank line is still to come.
    Owed,
    /// Something that nobody asked for.
    Other,
}

impl Upstream {
    pub(crate) fn receive(&mut self, id: u32, data: &[u8], driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if let LinkState::Asking(ask) = link.state {
            let data = without_late_line(link, data);
            if !data.is_empty() {
                self.receive_answer(id, ask, data, driver);
            }
        } else {
            self.receive_unasked(id, data, driver);
        }
    }

    /// Something has come over a connection that is asked nothing.
    #[cold]
    fn receive_unasked(&mut self, id: u32, data: &[u8], driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match link.state {
            LinkState::Free | LinkState::Connecting(_) | LinkState::Asking(_) => {}
            LinkState::Settling => self.settle(id, data, driver),
            LinkState::Idle => {
                // One newline too many, in a packet of its own, does no harm. Anything else is not to be taken for the
                // answer to the next request.
                if !without_late_line(link, data).is_empty() {
                    self.drop_link(id, driver);
                }
            }
        }
    }

    fn receive_answer(&mut self, id: u32, ask: u32, data: &[u8], driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.heard = true;
        let slot = link.backend;
        let address = link.address;
        // As a rule: nothing of it is kept with the connection.
        let is_whole = link.partial.is_none();
        let read = match &mut link.partial {
            None => {
                self.answers.fill(data);
                let read = read(&mut self.decoder, &mut self.answers.buf);
                match read {
                    Read::Answer(_, After::Nothing) => {}
                    Read::More | Read::Answer(_, After::Owed) => {
                        link.partial = Some(Box::new(Partial {
                            decoder: mem::replace(&mut self.decoder, fresh(self.limits)),
                            buf: self.answers.buf.split(),
                            charge: 0,
                            waits: false,
                        }));
                    }
                    _ => {
                        self.answers.buf.clear();
                        self.decoder = fresh(self.limits);
                    }
                }
                read
            }
            Some(partial) => {
                partial.buf.extend_from_slice(data);
                read(&mut partial.decoder, &mut partial.buf)
            }
        };
        let (response, after) = match read {
            Read::More => return self.charge_memory(id),
            Read::Answer(response, after) => (response, after),
            Read::Invalid(error) => return self.answer_failed(id, ask, error, driver),
        };
        let Some(backend) = self.backends.get_mut(slot.index()) else {
            return;
        };
        backend.addresses.answered(address);
        let is_allowed = backend
            .accepts
            .as_ref()
            .is_none_or(|actions| actions.allows(&response));
        if is_allowed {
            backend.answered();
        }
        if let Some(ask) = self.asks.get_mut(ask) {
            ask.link = None;
        }
        // What is large is copied: the answer may outlive what is counted for its connection.
        let response = if is_whole {
            response
        } else {
            self.apart(id, response)
        };
        self.release_link(id, after, driver);
        if is_allowed {
            self.answered(ask, slot, response, driver)
        } else {
            let failed = Failed {
                error: AttemptError::not_allowed(&response),
                unsent: false,
                was_closed: false,
                connected: true,
            };
            self.fail(ask, failed, driver);
        }
    }

    /// A connection has brought an answer: it is kept, once its blank line has come.
    fn release_link(&mut self, id: u32, after: After, driver: &mut impl BackendDriver) {
        self.learn(id, driver);
        self.note_first_answer(id);
        let now = self.clock.now;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let keeps = self.backends.get(link.backend.index());
        let keeps = keeps.is_some_and(|backend| !backend.keep.is_zero());
        match after {
            After::Nothing if keeps => {
                self.drop_partial(id, driver);
                self.keep(id, driver);
            }
            After::Owed if keeps => {
                link.state = LinkState::Settling;
                link.since = now;
                let end = now.after(SETTLE);
                self.arm_link(id, end);
            }
            _ => self.drop_link(id, driver),
        }
    }

    /// More has come after an answer that owes its blank line.
    #[cold]
    fn settle(&mut self, id: u32, data: &[u8], driver: &mut impl BackendDriver) {
        let Some(partial) = self
            .links
            .get_mut(id)
            .and_then(|link| link.partial.as_mut())
        else {
            return self.drop_link(id, driver);
        };
        partial.buf.extend_from_slice(data);
        match after(&mut partial.decoder, &mut partial.buf) {
            After::Nothing => {
                self.drop_partial(id, driver);
                self.keep(id, driver);
            }
            After::Owed => {}
            After::Other => self.drop_link(id, driver),
        }
    }

    /// What came is no answer.
    #[cold]
    pub(crate) fn answer_failed(
        &mut self,
        id: u32,
        ask: u32,
        error: AttemptError,
        driver: &mut impl BackendDriver,
    ) {
        let failed = Failed {
            error,
            unsent: false,
            was_closed: false,
            connected: true,
        };
        self.address_failed(id);
        self.drop_link(id, driver);
        if let Some(ask) = self.asks.get_mut(ask) {
            ask.link = None;
        }
        self.fail(ask, failed, driver);
    }

    /// What is known of an answer that ended before its end.
    #[cold]
    pub(crate) fn cut_off(&self, id: u32) -> AttemptError {
        let partial = self.links.get(id).and_then(|link| link.partial.as_ref());
        let bytes = partial.map_or(&[][..], |partial| &partial.buf[..]);
        AttemptError::invalid(DecodeError::UnexpectedEnd, bytes)
    }
}

/// What has come, without one blank line that belongs to the answer before. A server that prints one newline too many, in
/// a packet of its own, does so after each answer.
fn without_late_line<'a>(link: &mut Link, data: &'a [u8]) -> &'a [u8] {
    if !link.is_reused || link.heard && link.state != LinkState::Idle || link.skipped {
        return data;
    }
    let rest = data
        .strip_prefix(b"\r\n")
        .or_else(|| data.strip_prefix(b"\n"));
    link.skipped = rest.is_some();
    rest.unwrap_or(data)
}

fn read(decoder: &mut MessageDecoder, buf: &mut BytesMut) -> Read {
    match decoder.response(buf) {
        Ok(Some(response)) => Read::Answer(response, after(decoder, buf)),
        Ok(None) => Read::More,
        // The buffer still holds the whole message.
        Err(error) => Read::Invalid(AttemptError::invalid(error, buf)),
    }
}

fn after(decoder: &mut MessageDecoder, buf: &mut BytesMut) -> After {
    match decoder.skip_rest(buf) {
        Ok(false) => After::Owed,
        Ok(true) => {
            if matches!(&buf[..], b"\n" | b"\r\n") {
                buf.advance(buf.len());
            }
            if buf.is_empty() {
                After::Nothing
            } else {
                After::Other
            }
        }
        Err(_) => After::Other,
    }
}

fn fresh(limits: Limits) -> MessageDecoder {
    MessageDecoder::new().with_limits(limits)
}
