//! What a connection needs from the first byte of a request to the last one of its reply, and not while
//! it is idle: each thread keeps some for whoever reads next. So an idle connection costs next to nothing, a request no
//! allocation, and many connections use the same memory in turn.

use std::cell::RefCell;

use bytes::BytesMut;
use policy_proto::Decoder;
use tokio::time::Instant;

use crate::{
    Terms,
    buffers::{self, READ},
};

thread_local! {
    #[expect(clippy::vec_box, reason = "a connection holds one by a pointer")]
    static FREE: RefCell<Vec<Box<Reading>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) buf: BytesMut,
    pub(crate) decoder: Decoder,
    /// The reply, and how much of it is on its way.
    pub(crate) out: BytesMut,
    pub(crate) sent: usize,
    /// When the wait for the rest of a request ends.
    pub(crate) slow: Option<Instant>,
}

impl Reading {
    /// Makes room for a read.
    pub(crate) fn make_room(&mut self) {
        if self.buf.capacity() - self.buf.len() < READ / 4 {
            self.buf.reserve(READ);
        }
    }
}

/// What a connection has of it.
#[derive(Debug, Default)]
pub(crate) struct Lent(Option<Box<Reading>>);

impl Lent {
    /// Nothing while the connection is idle.
    pub(crate) fn get(&mut self) -> Option<&mut Reading> {
        self.0.as_deref_mut()
    }

    /// For the first byte, or the first one since [`end`](Self::end).
    pub(crate) fn begin(&mut self, terms: &Terms) -> &mut Reading {
        self.0.get_or_insert_with(|| {
            let mut reading = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
            reading.buf = buffers::lend();
            reading.decoder = terms.decoder();
            reading
        })
    }

    /// Gives it back, with whatever is in it.
    pub(crate) fn end(&mut self) {
        let Some(mut reading) = self.0.take() else {
            return;
        };
        buffers::take_back(std::mem::take(&mut reading.buf));
        reading.slow = None;
        if reading.out.capacity() > READ {
            reading.out = BytesMut::new();
        }
        // A thread that ends keeps nothing.
        _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MOST {
                free.push(reading);
            }
        });
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.end();
    }
}

/// As many as the requests that a thread may have under way without allocating: with the longest replies
/// that are kept, a megabyte.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use policy_proto::Response;

    use super::*;

    #[test]
    fn room_for_a_large_reply_is_not_kept_and_for_a_usual_one_it_is() {
        for (length, kept) in [(20, true), (READ, false)] {
            FREE.with_borrow_mut(Vec::clear);
            let mut lent = Lent::default();
            let reading = lent.begin(&Terms::default());
            let response = Response::new("x".repeat(length)).unwrap();
            response.encode(&mut reading.out);
            reading.sent = reading.out.len();
            lent.end();
            let room = FREE.with_borrow(|free| free[0].out.capacity());
            assert_eq!(room > 0, kept, "{length}");
        }
    }
}
