//! What a connection needs while there is something to read, and not while it is idle: each thread
//! keeps some for whoever reads next. So an idle connection costs next to nothing, a request no
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
    /// When the wait for the rest of a request ends.
    pub(crate) slow: Option<Instant>,
}

impl Reading {
    /// For the first byte on a connection, or the first one since [`end`](Self::end).
    pub(crate) fn begin(terms: &Terms) -> Box<Self> {
        let mut reading = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        reading.buf = buffers::lend();
        reading.decoder = terms.decoder();
        reading
    }

    /// For a connection that is idle: nothing is in the buffer, so that nothing is forgotten.
    pub(crate) fn end(mut self: Box<Self>) {
        buffers::take_back(std::mem::take(&mut self.buf));
        self.slow = None;
        FREE.with_borrow_mut(|free| {
            if free.len() < MOST {
                free.push(self);
            }
        });
    }

    /// Makes room for a read.
    pub(crate) fn make_room(&mut self) {
        if self.buf.capacity() - self.buf.len() < READ / 4 {
            self.buf.reserve(READ);
        }
    }
}

/// As many as the requests that a thread may have under way without allocating.
const MOST: usize = 256;
