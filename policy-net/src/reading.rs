//! What a connection needs from the first byte of a request to the last one of its reply, and not while
//! it is idle: each thread keeps some for whoever reads next. So an idle connection costs next to nothing, a request no
//! allocation, and many connections use the same memory in turn.

use std::cell::RefCell;

use bytes::BytesMut;
use policy_proto::Decoder;
use tokio::time::Instant;

use crate::Terms;

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
            reading.decoder = terms.decoder();
            reading
        })
    }

    /// Gives it back, with whatever is in it.
    pub(crate) fn end(&mut self) {
        let Some(mut reading) = self.0.take() else {
            return;
        };
        reading.buf.clear();
        reading.slow = None;
        // What was made for a rare request or reply is not kept, nor what somebody else still sees a part of.
        if !reading.buf.try_reclaim(READ) || reading.buf.capacity() > LARGE {
            reading.buf = BytesMut::new();
        }
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

/// Room for a typical request with long addresses.
const READ: usize = 4096;
/// What is larger was made for a rare request.
const LARGE: usize = 4 * READ;
/// As many as the requests that a thread may have under way without allocating: a megabyte of usual
/// buffers, and five of the largest that are kept.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use policy_proto::Response;

    use super::*;

    /// One that something has been read with.
    fn lent(bytes: &[u8]) -> Lent {
        let mut lent = Lent::default();
        let reading = lent.begin(&Terms::default());
        reading.make_room();
        reading.buf.extend_from_slice(bytes);
        lent
    }

    #[test]
    fn a_buffer_that_has_been_given_back_is_lent_again_unless_somebody_still_sees_a_part() {
        for is_seen in [false, true] {
            FREE.with_borrow_mut(Vec::clear);
            let mut one = lent(b"request=smtpd_access_policy\n\n");
            let buf = &mut one.get().unwrap().buf;
            let place = buf.as_ptr();
            let request = buf.split().freeze();
            let request = is_seen.then_some(request);
            drop(one);
            FREE.with_borrow(|free| {
                let buf = &free[0].buf;
                assert!(buf.is_empty());
                assert_eq!(buf.capacity() >= READ, !is_seen);
                assert_eq!(buf.as_ptr() == place, !is_seen);
            });
            drop(request);
        }
    }

    #[test]
    fn no_more_is_kept_than_a_busy_thread_needs() {
        FREE.with_borrow_mut(Vec::clear);
        let many: Vec<Lent> = (0..MOST + 10).map(|_| lent(b"")).collect();
        drop(many);
        assert_eq!(FREE.with_borrow(Vec::len), MOST);
    }

    #[test]
    fn room_for_a_large_message_is_not_kept_and_for_a_usual_one_it_is() {
        for (length, kept) in [(20, true), (LARGE + 1, false)] {
            FREE.with_borrow_mut(Vec::clear);
            let mut lent = lent(&vec![b'x'; length]);
            let reading = lent.get().unwrap();
            let response = Response::new("x".repeat(length.min(READ))).unwrap();
            response.encode(&mut reading.out);
            reading.sent = reading.out.len();
            lent.end();
            let room =
                |of: fn(&Reading) -> &BytesMut| FREE.with_borrow(|free| of(&free[0]).capacity());
            assert_eq!(room(|reading| &reading.buf) > 0, kept, "{length}");
            assert_eq!(room(|reading| &reading.out) > 0, kept, "{length}");
        }
    }
}
