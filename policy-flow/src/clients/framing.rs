//! From bytes to requests: how much is read of a client, and what has come of a request.

use std::mem;

use policy_proto::{DecodeError, Request};

use super::{
    ClientEvent, Clients,
    client::{Partial, State},
};
use crate::ClientDriver;

impl Clients {
    /// How many bytes may be read from a client now.
    pub(super) fn room_of(&self, id: u32) -> usize {
        let Some(client) = self.slab.get(id) else {
            return 0;
        };
        if client.state == State::Idle && self.memory.has_usual() {
            // As a rule.
            return ROOM;
        }
        let partial = client.partial.as_ref();
        let buffered = partial.map_or(0, |partial| partial.buf.len());
        match client.state {
            // One byte tells an idle client from one that waits for memory.
            State::Idle => 1,
            State::Rest if client.large > 0 => ROOM,
            State::Rest | State::Busy | State::Replying => ROOM.saturating_sub(buffered),
            State::Free | State::Short | State::ShortLarge => 0,
        }
    }

    /// These bytes have come, and nothing has come before that is not a request by now.
    pub(super) fn begin_request(
        &mut self,
        id: u32,
        data: &[u8],
        driver: &mut impl ClientDriver,
    ) -> Result<Option<Request>, DecodeError> {
        self.arena.fill(data);
        let decoded = self.decoder.request(&mut self.arena.buf);
        let is_lenient = self.options.lenient;
        if is_lenient && !matches!(decoded, Ok(None)) {
            report_skipped(self.decoder.take_skipped(), driver);
        }
        if decoded.is_err() || !self.arena.buf.is_empty() || !matches!(decoded, Ok(Some(_))) {
            let decoder = mem::replace(&mut self.decoder, self.options.decoder());
            let buf = self.arena.buf.split();
            if let Some(client) = self.slab.get_mut(id)
                && (decoded.is_err()
                    || !buf.is_empty()
                    || is_lenient && matches!(decoded, Ok(None)))
            {
                // Where lines are left out, the decoder knows which.
                client.partial = Some(Box::new(Partial { decoder, buf }));
            }
        }
        decoded
    }

    /// The next request of what has come, if it is whole.
    pub(super) fn go_on(
        &mut self,
        id: u32,
        driver: &mut impl ClientDriver,
    ) -> Result<Option<Request>, DecodeError> {
        let Some(client) = self.slab.get_mut(id) else {
            return Ok(None);
        };
        let Some(partial) = &mut client.partial else {
            return Ok(None);
        };
        let decoded = partial.decoder.request(&mut partial.buf);
        let is_lenient = self.options.lenient;
        if is_lenient && !matches!(decoded, Ok(None)) {
            report_skipped(partial.decoder.take_skipped(), driver);
        }
        let request = decoded?;
        if partial.buf.is_empty() && (request.is_some() || !is_lenient) {
            client.partial = None;
        } else if request.is_some() && client.large > 0 {
            // The large block is the request's now: what comes after it needs little.
            partial.buf = partial.buf[..].into();
        }
        Ok(request)
    }

    /// Says which lines of an unfinished request are left out: there will be no more of it.
    pub(super) fn report_rest(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if let Some(client) = self.slab.get_mut(id)
            && let Some(partial) = &mut client.partial
        {
            report_skipped(partial.decoder.take_skipped(), driver);
        }
    }

    /// Whether the rest of a request needs more memory than a usual one has.
    pub(super) fn is_large(&self, id: u32) -> bool {
        self.slab.get(id).is_some_and(|client| {
            let partial = client.partial.as_ref();
            client.large == 0 && partial.is_some_and(|partial| partial.buf.len() >= ROOM)
        })
    }

    /// Memory has been counted for a large request: room for all of it.
    pub(super) fn make_room(&mut self, id: u32, bytes: usize) {
        if let Some(client) = self.slab.get_mut(id) {
            client.large = bytes;
            if let Some(partial) = &mut client.partial {
                partial.buf.reserve(bytes.saturating_sub(partial.buf.len()));
            }
        }
    }

    /// What a large request takes.
    pub(super) const fn large_size(&self) -> usize {
        self.options.limits.message + ROOM
    }
}

fn report_skipped(ignored: policy_proto::SkippedLines, driver: &mut impl ClientDriver) {
    if !ignored.is_empty() {
        driver.client_event(ClientEvent::SkippedLines(&ignored));
    }
}

/// Room for a request of a usual size with long addresses.
pub(crate) const ROOM: usize = 5 * 1024;
