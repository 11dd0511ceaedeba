//! The requests in the bytes of a client.

use std::mem;

use bytes::BytesMut;
use policy_proto::{DecodeError, MessageDecoder, Request};

/// What has come of a request so far. After an error no bytes are looked at any more.
#[derive(Debug, Default)]
pub(super) struct Requests {
    decoder: MessageDecoder,
    buffer: BytesMut,
    has_failed: bool,
}

impl Requests {
    /// Those that are whole now, and the error after them with the line at fault, once.
    pub(super) fn received(
        &mut self,
        bytes: &[u8],
    ) -> (Vec<Request>, Option<(DecodeError, Vec<u8>)>) {
        let mut all = Vec::new();
        if self.has_failed {
            return (all, None);
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.decoder.request(&mut self.buffer) {
                Ok(Some(request)) => all.push(request),
                Ok(None) => return (all, None),
                Err(error) => {
                    self.has_failed = true;
                    let buffer = mem::take(&mut self.buffer);
                    let line = buffer.get(error.offset().unwrap_or_default()..);
                    let line = line.and_then(|rest| rest.split(|byte| *byte == b'\n').next());
                    return (all, Some((error, line.unwrap_or_default().to_vec())));
                }
            }
        }
    }

    /// The last line of a request that has begun and not ended, as far as it has come.
    pub(super) fn unfinished(&self) -> Option<&[u8]> {
        self.buffer
            .split_inclusive(|byte| *byte == b'\n')
            .next_back()
    }
}
