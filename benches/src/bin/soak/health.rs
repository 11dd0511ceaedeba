//! Which services are well, and since when: that explains answers by default.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// From when on each service is well; none while it is not.
#[derive(Debug)]
pub(crate) struct Health(Mutex<Vec<Option<Instant>>>);

impl Health {
    /// All of these services are well.
    pub(crate) fn new(services: usize) -> Self {
        Self(Mutex::new(vec![Some(Instant::now()); services]))
    }

    /// A service is killed or stopped.
    pub(crate) fn fails(&self, number: usize) {
        self.set(number, None);
    }

    /// A service is started again, or goes on.
    pub(crate) fn recovers(&self, number: usize) {
        self.set(number, Some(Instant::now()));
    }

    /// The services that have been well all the time since this request was sent.
    pub(crate) fn well_since(&self, sent: Instant) -> Vec<usize> {
        let state = self.state();
        let well = state
            .iter()
            .enumerate()
            .filter(|(_, from)| from.is_some_and(|from| from <= sent));
        well.map(|(number, _)| number).collect()
    }

    fn set(&self, number: usize, from: Option<Instant>) {
        if let Some(service) = self.state().get_mut(number) {
            *service = from;
        }
    }

    fn state(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.0.lock().expect("no panic under the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_failed_meanwhile_was_not_well_all_the_time() {
        let health = Health::new(2);
        let sent = Instant::now();
        assert_eq!(health.well_since(sent), [0, 1]);
        health.fails(0);
        assert_eq!(health.well_since(sent), [1]);
        health.recovers(0);
        assert_eq!(health.well_since(sent), [1]);
        assert_eq!(health.well_since(Instant::now()), [0, 1]);
    }
}
