//! How many services are well, which explains answers by default.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// How many services are well, and until when none was.
#[derive(Debug)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug)]
struct State {
    well: usize,
    none_until: Option<Instant>,
}

impl Health {
    /// All of these services are well.
    pub(crate) fn new(services: usize) -> Self {
        Self(Mutex::new(State {
            well: services,
            none_until: None,
        }))
    }

    /// A service is killed or stopped.
    pub(crate) fn fails(&self) {
        self.state().well -= 1;
    }

    /// A service is started again, or goes on.
    pub(crate) fn recovers(&self) {
        let mut state = self.state();
        if state.well == 0 {
            state.none_until = Some(Instant::now());
        }
        state.well += 1;
    }

    /// Whether no service was well at some time since this request was sent, or shortly before.
    pub(crate) fn had_none_since(&self, sent: Instant) -> bool {
        let state = self.state();
        state.well == 0 || state.none_until.is_some_and(|end| sent < end + REST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic under the lock")
    }
}

/// A process starts in that time, and the daemon's `retry` of a second passes.
const REST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_while_no_service_was_well_are_told_from_others() {
        let health = Health::new(2);
        let begin = Instant::now();
        health.fails();
        assert!(!health.had_none_since(begin));
        health.fails();
        assert!(health.had_none_since(begin));
        health.recovers();
        assert!(health.had_none_since(begin));
        assert!(!health.had_none_since(Instant::now() + 2 * REST));
    }
}
