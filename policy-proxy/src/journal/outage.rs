//! Outages: no service answers, and requests get the default action.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A time in which no service answered, from the first request without an answer to the next answer.
///
/// Where some requests are answered and others are not, outages that follow each other within 10 s are one:
/// so there are two lines in that time, however many requests there are.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Looked at for each answer.
    is_open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it began, if there is one.
    since: Option<Instant>,
    /// Requests without an answer in it.
    count: u64,
    /// The first answer after the last of them.
    answered: Option<Instant>,
    /// When the end of the last one was said.
    said: Option<Instant>,
}

/// An outage that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Over {
    pub(super) after: Duration,
    /// Requests without an answer.
    pub(super) count: u64,
}

impl Outage {
    /// A request was not answered.
    pub(super) fn unanswered(&self, now: Instant) {
        let mut state = self.state();
        state.since.get_or_insert(now);
        state.count += 1;
        state.answered = None;
        self.is_open.store(true, Relaxed);
    }

    /// A request was answered; whether an outage is over with that. It costs one look at a flag if there is
    /// none.
    #[inline]
    pub(super) fn answered(&self, now: impl FnOnce() -> Instant) -> Option<Over> {
        if !self.is_open.load(Relaxed) {
            return None;
        }
        self.answered_again(now())
    }

    #[cold]
    fn answered_again(&self, now: Instant) -> Option<Over> {
        let mut state = self.state();
        state.answered.get_or_insert(now);
        self.close(&mut state, now)
    }

    /// Whether an outage is over by now whose end was not to be said before.
    pub(super) fn ended_meanwhile(&self, now: Instant) -> Option<Over> {
        self.close(&mut self.state(), now)
    }

    /// The outage that is over at the end of the daemon, when it is said however soon it follows another one.
    pub(super) fn ended_at_last(&self, now: Instant) -> Option<Over> {
        let mut state = self.state();
        state.said = None;
        self.close(&mut state, now)
    }

    fn close(&self, state: &mut State, now: Instant) -> Option<Over> {
        let (since, answered) = (state.since?, state.answered?);
        let said = state.said;
        if said.is_some_and(|said| now.saturating_duration_since(said) < PAUSE) {
            return None;
        }
        let over = Over {
            after: answered.saturating_duration_since(since),
            count: state.count,
        };
        *state = State {
            said: Some(now),
            ..State::default()
        };
        self.is_open.store(false, Relaxed);
        Some(over)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As for lines that repeat.
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_outage_tells_how_long_it_was_and_how_many_it_met() {
        let outage = Outage::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let over = |seconds, count| {
            let after = Duration::from_secs(seconds);
            Some(Over { after, count })
        };
        assert_eq!(outage.answered(|| at(0)), None, "there was none");
        for seconds in 0..312 {
            outage.unanswered(at(seconds / 10));
        }
        assert_eq!(outage.ended_meanwhile(at(45)), None);
        assert_eq!(outage.answered(|| at(46)), over(46, 312));
        assert_eq!(outage.answered(|| at(46)), None, "once");
    }

    #[test]
    fn outages_in_quick_succession_are_one() {
        let outage = Outage::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        outage.unanswered(at(0));
        assert!(outage.answered(|| at(0)).is_some());
        for seconds in 1..10 {
            outage.unanswered(at(seconds));
            assert_eq!(outage.answered(|| at(seconds)), None);
            assert_eq!(outage.ended_meanwhile(at(seconds)), None);
        }
        let (after, count) = (Duration::from_secs(8), 9);
        assert_eq!(outage.ended_meanwhile(at(10)), Some(Over { after, count }));
    }

    #[test]
    fn the_end_of_an_outage_is_said_at_the_end_of_the_daemon_however_soon_it_comes() {
        let outage = Outage::default();
        let now = Instant::now();
        for _ in 0..2 {
            outage.unanswered(now);
            outage.answered(|| now);
        }
        let (after, count) = (Duration::ZERO, 1);
        assert_eq!(outage.ended_at_last(now), Some(Over { after, count }));
        assert_eq!(outage.ended_at_last(now), None);
    }
}
