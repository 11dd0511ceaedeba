//! Timers on a heap: each rings when something is to be looked at again.
//!
//! An entry is never moved or taken out: it rings, and its owner says whether it is still wanted, or when
//! instead. So a request that is answered in time costs no work on a heap.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::clock::Time;

#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Time, T)>>,
    /// When the first one rings. Each turn of a loop asks, and the heap is in other memory.
    next: Time,
}

impl<T: Copy + Ord> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: Time::NEVER,
        }
    }

    /// It rings then, at the latest: `armed` is when it rings as it is, and becomes that.
    pub(crate) fn arm(&mut self, armed: &mut Time, at: Time, timer: T) {
        if at < *armed {
            *armed = at;
            self.next = self.next.min(at);
            self.heap.push(Reverse((at, timer)));
        }
    }

    /// When the next one rings.
    pub(crate) const fn next(&self) -> Time {
        self.next
    }

    /// One that rings now, and for when it was armed.
    pub(crate) fn ring(&mut self, now: Time) -> Option<(Time, T)> {
        if self.next > now {
            return None;
        }
        let rings = self.heap.pop().map(|Reverse(entry)| entry);
        let next = self.heap.peek();
        self.next = next.map_or(Time::NEVER, |Reverse((at, _))| *at);
        rings
    }
}
