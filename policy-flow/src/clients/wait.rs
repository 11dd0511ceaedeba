//! The waits of clients, each with its time-out.

use std::time::Duration;

use super::{ClientTimes, Clients, Timer, client::State, queue::Queue};
use crate::clock::Time;

/// What clients wait for, each in a queue of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wait {
    /// For their next request.
    Idle,
    /// For the rest of one, which is theirs to send.
    Rest,
    /// For memory.
    Short,
    /// For memory for the rest of a large request.
    ShortLarge,
    /// To take their reply.
    Reply,
}

impl Wait {
    const ALL: [Self; WAITS] = [
        Self::Idle,
        Self::Rest,
        Self::Short,
        Self::ShortLarge,
        Self::Reply,
    ];
}

impl Clients {
    pub(super) fn queue(&mut self, wait: Wait) -> &mut Queue {
        &mut self.queues[wait as usize]
    }

    /// Other times, also for those that wait already. One whose time is over by that is closed with the next tick.
    pub fn renew_times(&mut self, times: ClientTimes) {
        let ClientTimes {
            idle,
            request,
            memory_wait,
        } = times;
        self.options.idle = idle;
        self.options.request = request;
        self.options.memory_wait = memory_wait;
        for wait in Wait::ALL {
            // It rings sooner, if that is needed; one that rings too early is set again.
            self.arm_first(wait);
        }
    }

    pub(super) fn wait(&mut self, id: u32, wait: Wait) {
        if wait == Wait::Idle {
            self.set(id, State::Idle);
        }
        let now = self.clock.now;
        self.queues[wait as usize].push(&mut self.slab, id, now);
        self.arm(wait);
        self.eviction.waits |= wait == Wait::Rest;
        if matches!(wait, Wait::Short | Wait::ShortLarge) {
            self.waits.0 += 1;
            self.waits.1 += 1;
            self.arm_memory();
        }
    }

    pub(super) fn unwait(&mut self, id: u32, wait: Wait) {
        self.queues[wait as usize].remove(&mut self.slab, id);
        if matches!(wait, Wait::Short | Wait::ShortLarge) {
            self.waits.1 -= 1;
        }
        // It is in no queue, whatever ends it next.
        self.set(id, State::Busy);
    }

    /// Its timer rings when the time of the first one is over, at the latest.
    #[inline]
    pub(super) fn arm(&mut self, wait: Wait) {
        if self.queues[wait as usize].armed == Time::NEVER {
            self.arm_first(wait);
        }
    }

    #[cold]
    pub(super) fn arm_first(&mut self, wait: Wait) {
        let time = self.time_for(wait);
        let queue = &mut self.queues[wait as usize];
        if let Some(first) = queue.first().and_then(|first| self.slab.get(first)) {
            let at = first.since.after(time);
            self.timers.arm(&mut queue.armed, at, Timer::Wait(wait));
        }
    }

    pub(super) fn time_is_over(&self, id: u32, wait: Wait) -> bool {
        let time = self.time_for(wait);
        let client = self.slab.get(id);
        client.is_some_and(|client| client.since.after(time) <= self.clock.now)
    }

    pub(super) fn time_for(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Rest if self.is_hurried => self.options.request.min(HURRIED),
            Wait::Idle => self.options.idle,
            Wait::Rest | Wait::Reply => self.options.request,
            Wait::Short | Wait::ShortLarge => self.options.memory_wait,
        }
    }
}

/// How long the rest of a request is waited for at the end of a server.
const HURRIED: Duration = Duration::from_secs(3);
/// The kinds of [`Wait`].
pub(super) const WAITS: usize = 5;
