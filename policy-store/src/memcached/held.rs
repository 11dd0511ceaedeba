//! Locks that this store holds: what was known when each was taken, so that giving it back takes one round trip.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::Lock;

/// What was known when a lock was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Held {
    /// The number of the lock's writing.
    pub(super) lock: u64,
    /// The number of the value's writing, if there was one.
    pub(super) value: Option<u64>,
}

/// The locks. One that is not here is asked for when it is given back.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<HashMap<Vec<u8>, (Held, Instant)>>);

impl Locks {
    pub(super) fn add(&self, lock: Lock<'_>, held: Held) {
        let mut locks = self.lock();
        // Those of callers that never gave theirs back are among them.
        if locks.len() >= MAX {
            let now = Instant::now();
            locks.retain(|_, (_, end)| *end > now);
        }
        if locks.len() < MAX {
            // The server keeps it for longer, not shorter: it counts whole seconds and has one more.
            let end = Instant::now() + lock.ttl.min(LONGEST);
            locks.insert(name(lock), (held, end));
        }
    }

    /// Takes a lock out, unless its time is over.
    pub(super) fn take(&self, lock: Lock<'_>) -> Option<Held> {
        let found = self.lock().remove(&name(lock));
        let (held, end) = found?;
        (Instant::now() < end).then_some(held)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, (Held, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(lock: Lock<'_>) -> Vec<u8> {
    crate::key("lock", [lock.key, lock.owner])
}

/// How many are remembered.
const MAX: usize = 4096;
/// An end that a clock can have.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Held = Held {
        lock: 7,
        value: Some(8),
    };

    fn lock<'a>(key: &'a [u8], owner: &'a [u8]) -> Lock<'a> {
        let ttl = Duration::from_secs(10);
        Lock { key, owner, ttl }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_is_taken_out_once_by_its_owner_before_its_end() {
        let locks = Locks::default();
        locks.add(lock(b"a", b"1"), HELD);
        locks.add(lock(b"b", b"1"), HELD);
        assert_eq!(locks.take(lock(b"a", b"2")), None);
        assert_eq!(locks.take(lock(b"a", b"1")), Some(HELD));
        assert_eq!(locks.take(lock(b"a", b"1")), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(locks.take(lock(b"b", b"1")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_is_remembered_and_those_whose_time_is_over_make_room() {
        let locks = Locks::default();
        let owner = |number: usize| number.to_string().into_bytes();
        for number in 0..=MAX {
            locks.add(lock(b"a", &owner(number)), HELD);
        }
        assert_eq!(locks.take(lock(b"a", &owner(MAX))), None);
        assert_eq!(locks.take(lock(b"a", &owner(0))), Some(HELD));
        tokio::time::advance(Duration::from_secs(10)).await;
        locks.add(lock(b"b", b"1"), HELD);
        locks.add(lock(b"b", b"2"), HELD);
        assert_eq!(locks.take(lock(b"b", b"2")), Some(HELD));
        assert!(locks.lock().len() <= 1);
    }
}
