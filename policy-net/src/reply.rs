//! A reply on its way to a client.

use bytes::BytesMut;
use policy_proto::Response;

#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// What comes before the text of a long answer, or all of it.
    out: BytesMut,
    /// It is not copied: it may have been counted by a budget where it is.
    long: Option<Response>,
    sent: usize,
}

impl Reply {
    /// Begins one, of these bytes and an answer.
    pub(crate) fn begin(&mut self, bytes: &[u8], response: &Response) {
        self.clear();
        self.out.extend_from_slice(bytes);
        if response.as_bytes().len() <= LONG {
            response.encode(&mut self.out);
        } else {
            self.out.extend_from_slice(ACTION);
            self.long = Some(response.clone());
        }
    }

    /// What is to be sent next; nothing if all has been sent.
    pub(crate) fn rest(&self) -> &[u8] {
        let long = self.long.as_ref().map(Response::as_bytes);
        let parts = [
            &self.out[..],
            long.unwrap_or_default(),
            match long {
                Some(_) => END,
                None => b"",
            },
        ];
        let mut before = self.sent;
        for part in parts {
            match part.get(before..) {
                Some(rest @ [_, ..]) => return rest,
                _ => before -= part.len(),
            }
        }
        b""
    }

    /// So many bytes of it have been sent.
    pub(crate) fn advance(&mut self, sent: usize) {
        self.sent += sent;
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        let long = self.long.as_ref();
        self.out.capacity() + long.map_or(0, |response| response.as_bytes().len())
    }

    /// There is none. Only memory for a usual one is kept.
    pub(crate) fn clear(&mut self) {
        self.long = None;
        self.sent = 0;
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = BytesMut::new();
        }
    }
}

const ACTION: &[u8] = b"action=";
const END: &[u8] = b"\n\n";
/// As much as is kept for the next reply.
const KEPT: usize = 1024;
/// Texts beyond this would not fit in there.
const LONG: usize = KEPT - ACTION.len() - END.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_what_it_is_encoded_to_however_much_of_it_is_sent_at_a_time() {
        for length in [1, 20, LONG - 1, LONG, LONG + 1, 16_000] {
            let response = Response::new("x".repeat(length)).unwrap();
            let mut whole = BytesMut::from("a line\n");
            response.encode(&mut whole);
            for most in [1, 7, 1024, usize::MAX] {
                let mut reply = Reply::default();
                reply.begin(b"a line\n", &response);
                let mut sent = Vec::new();
                while !reply.rest().is_empty() {
                    let rest = reply.rest();
                    let part = &rest[..rest.len().min(most)];
                    sent.extend_from_slice(part);
                    let length = part.len();
                    reply.advance(length);
                }
                assert_eq!(sent, whole);
            }
        }
    }
}
