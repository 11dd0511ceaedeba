//! What a connection needs from the first byte of a request to the last one of its reply, and not while
//! it is idle: each thread keeps some for whoever reads next. So an idle connection costs next to nothing, a request no
//! allocation, and many connections use the same memory in turn.

use std::{
    cell::RefCell,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use policy_proto::{DecodeError, Decoder, Request};
use tokio::time::Instant;

use crate::{
    MemoryBudget, Terms,
    memory::{Charge, Extra, Kind, Wait},
    read_buffer::{ReadBuffer, Room},
    reply::Reply,
};

thread_local! {
    #[expect(clippy::vec_box, reason = "a connection holds one by a pointer")]
    static FREE: RefCell<Vec<Box<Reading>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub(crate) struct Reading {
    buf: ReadBuffer,
    pub(crate) decoder: Decoder,
    pub(crate) reply: Reply,
    /// When the wait for the rest of a request ends.
    pub(crate) slow: Option<Instant>,
    /// When the request began to wait for memory, if it had to for this.
    waited_since: Option<Instant>,
    /// The memory that it is, where there is a budget.
    usual: Option<Charge>,
    /// For a large buffer, or for the large request that is worked on.
    extra: Extra,
}

impl Reading {
    /// The next request, if it has come whole.
    pub(crate) fn decode(&mut self) -> Result<Option<Request>, DecodeError> {
        let request = self.decoder.request(&mut self.buf.bytes)?;
        if request.is_some()
            && let Some(block) = self.buf.leave_large(USUAL)
        {
            // It is the request's now.
            self.extra.lower_to(block);
        }
        Ok(request)
    }

    /// Whether a request has begun and not ended, as far as it has come.
    pub(crate) fn has_begun(&self) -> bool {
        !self.buf.bytes.is_empty()
    }

    /// What it says of a stream that ends here.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        self.decoder.finish(&self.buf.bytes)
    }

    /// The last request is done with.
    pub(crate) fn forget_request(&mut self) {
        self.slow = None;
        self.waited_since = None;
        if !self.buf.is_beyond(USUAL) && self.extra.waiting_since().is_none() {
            self.extra = Extra::None;
        }
    }

    /// Whether there is room for what comes while a request is worked on, which may be in the same memory.
    pub(crate) fn can_read_ahead(&mut self) -> bool {
        self.buf.can_go_on()
    }

    /// What is not decoded yet.
    pub(crate) fn received(&self) -> &[u8] {
        &self.buf.bytes
    }

    /// The buffer, once there is room for a read.
    pub(crate) fn poll_room(&mut self, terms: &Terms, cx: &mut Context<'_>) -> Poll<&mut BytesMut> {
        let room = Room {
            usual: USUAL,
            message: terms.limits.message,
            memory: terms.memory.as_ref(),
            kind: Kind::LargeRequest,
        };
        ready!(self.buf.poll_room(&room, &mut self.extra, cx));
        Poll::Ready(&mut self.buf.bytes)
    }
}

/// What a connection has of it.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    reading: Option<Box<Reading>>,
    /// A request has begun, and there was no memory for it.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// The first byte of the request.
    first: u8,
    memory: Wait,
}

impl Lent {
    /// Nothing while the connection is idle, or waits for memory for its request.
    pub(crate) fn get(&mut self) -> Option<&mut Reading> {
        self.reading.as_deref_mut()
    }

    /// Since when it is memory that is waited for, and not the client: for this request, which may need
    /// more than once.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        match (&self.waiting, &self.reading) {
            (Some(waiting), _) => Some(waiting.memory.since()),
            (None, Some(reading)) => {
                let since = reading.extra.waiting_since()?;
                Some(reading.waited_since.unwrap_or(since))
            }
            (None, None) => None,
        }
    }

    /// For the first byte, or the first one since [`end`](Self::end); `false` where there is no memory.
    pub(crate) fn try_begin(&mut self, terms: &Terms) -> bool {
        if self.reading.is_none() && self.waiting.is_none() {
            self.reading = lend(terms);
            return self.reading.is_some();
        }
        true
    }

    /// The same where there need not be memory: a reply that belongs to no request is not counted.
    pub(crate) fn begin(&mut self, terms: &Terms) -> &mut Reading {
        if let Some(waiting) = self.waiting.take() {
            self.reading = Some(begun(None, &[waiting.first], terms));
        }
        self.reading
            .get_or_insert_with(|| lend(terms).unwrap_or_else(|| begun(None, b"", terms)))
    }

    /// A request has begun, and there is no memory for it.
    pub(crate) fn wait(&mut self, first: u8, budget: &MemoryBudget) {
        let memory = budget.take(Kind::Usual, MemoryBudget::USUAL);
        self.waiting = Some(Box::new(Waiting { first, memory }));
    }

    /// Ready when there is memory to read with.
    pub(crate) fn poll(&mut self, terms: &Terms, cx: &mut Context<'_>) -> Poll<&mut Reading> {
        if let Some(waiting) = &mut self.waiting {
            let usual = ready!(waiting.memory.poll(cx));
            let mut reading = begun(usual, &[waiting.first], terms);
            reading.waited_since = Some(waiting.memory.since());
            self.reading = Some(reading);
            self.waiting = None;
        }
        Poll::Ready(self.begin(terms))
    }

    /// Gives it back, with whatever is in it.
    pub(crate) fn end(&mut self) {
        self.waiting = None;
        let Some(mut reading) = self.reading.take() else {
            return;
        };
        if let Some(usual) = &reading.usual
            && !usual.may_be_kept()
        {
            return;
        }
        reading.forget_request();
        reading.extra = Extra::None;
        reading.reply.clear();
        // What was made for a rare request is not kept, nor what somebody else still sees a part of.
        reading.buf.clear(USUAL);
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

/// One that the thread has kept, or a new one, if there is memory for it.
fn lend(terms: &Terms) -> Option<Box<Reading>> {
    let budget = terms.memory.as_ref();
    let kept = FREE.with_borrow_mut(Vec::pop);
    let of = |reading: &Reading| reading.usual.as_ref().map(Charge::budget) == budget;
    if let Some(mut reading) = kept.filter(|reading| of(reading)) {
        reading.decoder = terms.decoder();
        return Some(reading);
    }
    let usual = match budget {
        Some(budget) => Some(budget.try_take(Kind::Usual, MemoryBudget::USUAL)?),
        None => None,
    };
    Some(begun(usual, b"", terms))
}

/// A new one, in which a request has begun with these bytes.
fn begun(usual: Option<Charge>, bytes: &[u8], terms: &Terms) -> Box<Reading> {
    let mut reading = Box::new(Reading {
        decoder: terms.decoder(),
        usual,
        ..Reading::default()
    });
    if !bytes.is_empty() {
        reading.buf.make_room(USUAL);
        reading.buf.bytes.extend_from_slice(bytes);
    }
    reading
}

/// Room for a request of a usual size with long addresses: of [`MemoryBudget::USUAL`], which is for the
/// reply and the answer as well.
const USUAL: usize = 5 * 1024;
/// As many as the requests that a thread may have under way without allocating: some two megabytes.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use policy_proto::Response;

    use super::*;

    /// One that this has been read with.
    fn lent(bytes: &[u8]) -> Lent {
        let terms = Terms::default();
        let mut lent = Lent::default();
        let reading = lent.begin(&terms);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for byte in bytes {
            let Poll::Ready(buf) = reading.poll_room(&terms, &mut cx) else {
                panic!("there is no budget");
            };
            buf.extend_from_slice(&[*byte]);
        }
        lent
    }

    fn kept<T>(of: impl Fn(&Reading) -> T) -> Vec<T> {
        FREE.with_borrow(|free| free.iter().map(|reading| of(reading)).collect())
    }

    #[test]
    fn a_buffer_that_has_been_given_back_is_lent_again_unless_somebody_still_sees_a_part() {
        for is_seen in [false, true] {
            FREE.with_borrow_mut(Vec::clear);
            let mut one = lent(b"request=smtpd_access_policy\n\n");
            let reading = one.get().unwrap();
            let place = reading.buf.bytes.as_ptr();
            let request = reading.decode().unwrap();
            let request = request.filter(|_| is_seen);
            drop(one);
            let kept = kept(|reading| {
                let bytes = &reading.buf.bytes;
                (
                    bytes.len(),
                    bytes.capacity() >= USUAL,
                    bytes.as_ptr() == place,
                )
            });
            assert_eq!(kept, [(0, !is_seen, !is_seen)]);
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
    fn room_for_a_large_request_is_not_kept_and_for_a_usual_one_it_is() {
        for (length, capacity) in [(20, USUAL), (USUAL, USUAL), (USUAL + 1, 0)] {
            FREE.with_borrow_mut(Vec::clear);
            lent(&vec![b'x'; length]).end();
            assert_eq!(
                kept(|reading| reading.buf.bytes.capacity()),
                [capacity],
                "{length}"
            );
        }
    }

    #[test]
    fn a_reply_holds_nothing_once_it_is_sent() {
        for length in [20, 1000, 1015, 1016, 16_000] {
            FREE.with_borrow_mut(Vec::clear);
            let response = Response::new("x".repeat(length)).unwrap();
            let mut lent = lent(b"");
            lent.get().unwrap().reply.begin(b"", &response);
            lent.end();
            assert!(
                kept(|reading| reading.reply.capacity())[0] <= 1024,
                "{length}"
            );
        }
    }
}
