use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Holds back lines that repeat one of less than 10 s ago, and counts them.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<HashMap<Subject, HeldBack>>);

/// The kind of a line, and the index of the service that it is about. There are a few kinds and at
/// most 64 services, so that no client can make the table grow.
type Subject = (&'static str, usize);

#[derive(Debug)]
struct HeldBack {
    /// When such a line was said.
    said: Instant,
    /// How many were not since.
    count: u64,
}

impl Repeats {
    /// Whether a line is to be said now; if so, how many like it were held back before.
    pub(crate) fn ask(&self, subject: Subject, now: Instant) -> Option<u64> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = HeldBack {
            said: now,
            count: 0,
        };
        match table.get_mut(&subject) {
            Some(held) if now.saturating_duration_since(held.said) < REPEAT => {
                held.count += 1;
                None
            }
            Some(held) => Some(std::mem::replace(held, fresh).count),
            None => {
                table.insert(subject, fresh);
                Some(0)
            }
        }
    }
}

/// How long a repeated line is held back.
const REPEAT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_in_ten_seconds_with_the_count_of_those_held_back() {
        let repeats = Repeats::default();
        let start = Instant::now();
        let ask =
            |kind, about, after| repeats.ask((kind, about), start + Duration::from_secs(after));
        assert_eq!(ask("timeout", 0, 0), Some(0));
        assert_eq!(ask("timeout", 0, 1), None);
        assert_eq!(ask("timeout", 0, 9), None);
        assert_eq!(ask("timeout", 1, 9), Some(0), "of another service");
        assert_eq!(ask("connect", 0, 9), Some(0), "of another kind");
        assert_eq!(ask("timeout", 0, 10), Some(2));
        assert_eq!(ask("timeout", 0, 19), None);
        assert_eq!(ask("timeout", 0, 20), Some(1));
    }
}
