//! The things to come, in the order of time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Event {
    /// A worker looks at what has come, and at the time.
    Wake(usize),
    ClientConnects(usize),
    /// A client begins to send its next request.
    ClientSends(usize),
    /// So many bytes of a client have come.
    ClientBytes(usize, usize),
    ClientEnds(usize),
    ClientResets(usize),
    /// A client takes the rest of a reply.
    ClientTakes(usize),
    /// A request is to be replied to by now.
    Due(usize),
    /// A SYN has come to a server: the first, or a repeated one.
    Syn(usize, u32),
    Established(usize),
    Refused(usize),
    /// So many bytes of a request have come to a server.
    ToServer(usize, usize),
    /// There is room for the rest of a request.
    HasRoom(usize),
    /// So many bytes of an answer have come.
    FromServer(usize, usize),
    /// A server closes a connection, by a reset or in order.
    ServerCloses(usize, bool),
    /// That has come.
    Closed(usize, bool),
    /// A server learns that a connection was closed.
    PeerCloses(usize),
    /// A server looks whether a connection is still idle, after this many answers.
    IdleTooLong(usize, u32),
    /// A server's trouble begins.
    TroubleBegins(usize, usize),
    /// A look-up has ended.
    Found(usize, u32),
    Drain,
    Exchange(usize),
}

/// What happens at one moment happens in the order in which it was put in.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    serial: u64,
    /// Those that are more than a look at the time.
    news: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        self.news += usize::from(event.is_news());
        self.heap.push(Reverse((at, self.serial, event)));
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, Event)> {
        let Reverse((at, _, event)) = self.heap.pop()?;
        self.news -= usize::from(event.is_news());
        Some((at, event))
    }

    /// Whether nothing happens any more but that time goes by.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.news == 0
    }
}

impl Event {
    const fn is_news(self) -> bool {
        !matches!(self, Self::Wake(_) | Self::Due(_))
    }
}
