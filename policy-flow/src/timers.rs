//! When something is to be looked at again.
//!
//! An entry is never moved or taken out: it rings, and whoever it belongs to says whether it is still wanted, or when
//! instead. So a request that is answered in time costs no work on a heap.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::clock::Time;

#[derive(Debug)]
pub(crate) struct Timers<T>(BinaryHeap<Reverse<(Time, T)>>);

impl<T: Copy + Ord> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self(BinaryHeap::new())
    }

    /// It rings then, at the latest: `armed` is when it rings as it is, and becomes that.
    pub(crate) fn arm(&mut self, armed: &mut Time, at: Time, timer: T) {
        if at < *armed {
            *armed = at;
            self.0.push(Reverse((at, timer)));
        }
    }

    /// When the next one rings.
    pub(crate) fn next(&self) -> Time {
        self.0.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }

    /// One that rings now, and for when it was armed.
    pub(crate) fn ring(&mut self, now: Time) -> Option<(Time, T)> {
        if self.next() > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}
