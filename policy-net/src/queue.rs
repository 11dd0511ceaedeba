use std::{collections::VecDeque, mem, task::Waker};

/// The queue for a pool's places: whoever has waited longest has the next one that comes free.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Places; none while anybody waits.
    free: usize,
    /// In the order of their tickets. Whoever has a ticket that is not here any more has a place.
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl Queue {
    pub(crate) const fn new(free: usize) -> Self {
        Self {
            free,
            waiting: VecDeque::new(),
            next: 0,
        }
    }

    pub(crate) const fn free(&self) -> usize {
        self.free
    }

    /// Takes one, if there is one.
    pub(crate) const fn take(&mut self) -> bool {
        let is_free = self.free > 0;
        if is_free {
            self.free -= 1;
        }
        is_free
    }

    /// Gives one back: to who is to be woken, if somebody waits.
    #[must_use = "who waits does not know yet"]
    pub(crate) fn give_back(&mut self) -> Option<Waker> {
        let first = self.waiting.pop_front();
        if first.is_none() {
            self.free += 1;
        }
        first.map(|(_, waker)| waker)
    }

    /// A ticket for the next place that comes free when all before have one.
    pub(crate) fn join(&mut self, waker: &Waker) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push_back((ticket, waker.clone()));
        ticket
    }

    /// Whether whoever has this ticket has a place. If not, then this is how to wake them from now on.
    pub(crate) fn turn(&mut self, ticket: u64, waker: &Waker) -> Turn {
        let at = self.waiting_as(ticket);
        match at.and_then(|at| self.waiting.get_mut(at)) {
            Some((_, last)) if last.will_wake(waker) => Turn::NotYet(None),
            Some((_, last)) => Turn::NotYet(Some(mem::replace(last, waker.clone()))),
            None => Turn::Come,
        }
    }

    /// Takes a ticket back, of somebody who still waits; nothing if they have a place.
    pub(crate) fn leave(&mut self, ticket: u64) -> Option<Waker> {
        let at = self.waiting_as(ticket)?;
        self.waiting.remove(at).map(|(_, waker)| waker)
    }

    fn waiting_as(&self, ticket: u64) -> Option<usize> {
        let found = self
            .waiting
            .binary_search_by_key(&ticket, |(ticket, _)| *ticket);
        found.ok()
    }
}

/// What comes of a look at a ticket.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There is a place.
    Come,
    /// There is none yet. This would have woken them so far, and is to be dropped where nothing is locked.
    NotYet(Option<Waker>),
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use proptest::prelude::*;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl std::task::Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Somebody comes.
        Come,
        /// One of those who have a place gives it back.
        GiveBack(prop::sample::Index),
        /// One of those who have come for a ticket gives up.
        GiveUp(prop::sample::Index),
        /// One of those looks whether it is called.
        Look(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Come),
            any::<prop::sample::Index>().prop_map(Step::GiveBack),
            any::<prop::sample::Index>().prop_map(Step::GiveUp),
            any::<prop::sample::Index>().prop_map(Step::Look),
        ]
    }

    proptest! {
        /// Against a list of all who have come, in which the first ones have a place.
        #[test]
        fn who_has_waited_longest_has_the_next_place(
            room in 0..4_usize,
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut queue = Queue::new(room);
            // Ticket and bell of those who had to wait; in the order in which they came.
            let mut all: Vec<Option<(u64, Arc<Bell>)>> = Vec::new();
            let wake = |waker: Option<Waker>| waker.into_iter().for_each(Waker::wake);
            for step in steps {
                let waits = |(at, one): (usize, &Option<_>)| one.is_some().then_some(at);
                let tickets: Vec<usize> = all.iter().enumerate().filter_map(waits).collect();
                match step {
                    Step::Come => {
                        let taken = queue.take();
                        prop_assert_eq!(taken, all.len() < room);
                        let bell = Arc::<Bell>::default();
                        let waker = Waker::from(Arc::clone(&bell));
                        all.push((!taken).then(|| (queue.join(&waker), bell)));
                    }
                    Step::GiveBack(which) if room.min(all.len()) > 0 => {
                        all.remove(which.index(room.min(all.len())));
                        wake(queue.give_back());
                    }
                    Step::GiveUp(which) if !tickets.is_empty() => {
                        let one = all.remove(tickets[which.index(tickets.len())]);
                        if queue.leave(one.unwrap().0).is_none() {
                            wake(queue.give_back());
                        }
                    }
                    Step::Look(which) if !tickets.is_empty() => {
                        let at = tickets[which.index(tickets.len())];
                        let (ticket, bell) = all[at].as_mut().unwrap();
                        let rung = bell.0.load(Relaxed);
                        *bell = Arc::new(Bell(AtomicUsize::new(rung)));
                        let waker = Waker::from(Arc::clone(bell));
                        let has_come = matches!(queue.turn(*ticket, &waker), Turn::Come);
                        prop_assert_eq!(has_come, at < room);
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.free(), room.saturating_sub(all.len()));
                for (at, (_, bell)) in all.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_ref()?))) {
                    prop_assert_eq!(bell.0.load(Relaxed), usize::from(at < room), "woken once");
                }
            }
        }
    }
}
