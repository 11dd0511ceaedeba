//! Lines that repeat: one in 10 s, with the count of those that were held back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::Level;

/// Holds back lines that repeat one of less than 10 s ago, counts them, and keeps the last of them.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<HashMap<Subject, HeldBack>>);

/// The kind of a line, and the index of the service that it is about. There are a few kinds and at
/// most 64 services, so that no client can make the table grow.
pub(crate) type Subject = (&'static str, usize);

#[derive(Debug)]
struct HeldBack {
    /// When such a line was said.
    said: Instant,
    /// How many were not since.
    count: u64,
    /// The last of these.
    last: Option<(Level, String)>,
}

impl Repeats {
    /// The line, if it is to be said now, with how many like it were held back before.
    pub(crate) fn ask(
        &self,
        subject: Subject,
        now: Instant,
        level: Level,
        text: String,
    ) -> Option<String> {
        let mut table = self.table();
        let fresh = HeldBack {
            said: now,
            count: 0,
            last: None,
        };
        match table.get_mut(&subject) {
            Some(held) if now.saturating_duration_since(held.said) < REPEAT => {
                held.count += 1;
                held.last = Some((level, text));
                None
            }
            Some(held) => Some(with_more(text, std::mem::replace(held, fresh).count)),
            None => {
                table.insert(subject, fresh);
                Some(text)
            }
        }
    }

    /// Lines that were held back and have not been followed by another one for a minute, or `all` of
    /// them: the last of each kind, with the count of the others.
    pub(crate) fn take_pending(&self, now: Instant, all: bool) -> Vec<(Level, String)> {
        let mut pending = Vec::new();
        for held in self.table().values_mut() {
            if !all && now.saturating_duration_since(held.said) < PENDING {
                continue;
            }
            if let Some((level, text)) = held.last.take() {
                pending.push((level, with_more(text, held.count.saturating_sub(1))));
                held.said = now;
                held.count = 0;
            }
        }
        pending
    }

    /// Those that are about one service, now: what is said next is that they are over.
    pub(crate) fn take_about(&self, about: usize, now: Instant) -> Vec<(Level, String)> {
        let mut table = self.table();
        let of_it = table
            .iter_mut()
            .filter(|((_, service), _)| *service == about);
        let pending = of_it.filter_map(|(_, held)| {
            let (level, text) = held.last.take()?;
            held.said = now;
            let before = std::mem::take(&mut held.count).saturating_sub(1);
            Some((level, with_more(text, before)))
        });
        pending.collect()
    }

    /// Forgets what was held back, since another line tells it with its number.
    pub(crate) fn forget(&self, subject: Subject) {
        if let Some(held) = self.table().get_mut(&subject) {
            held.last = None;
            held.count = 0;
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Subject, HeldBack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_more(mut text: String, count: u64) -> String {
    if count > 0 {
        text += &format!(" (and {count} more like it before)");
    }
    text
}

/// How long a repeated line is held back.
const REPEAT: Duration = Duration::from_secs(10);
/// How long its count waits for the next one.
const PENDING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_in_ten_seconds_with_the_count_of_those_held_back() {
        let repeats = Repeats::default();
        let start = Instant::now();
        let ask = |kind, about, after| {
            let now = start + Duration::from_secs(after);
            repeats.ask((kind, about), now, Level::Warning, "text".to_owned())
        };
        let text = Some("text".to_owned());
        let more = |count| Some(format!("text (and {count} more like it before)"));
        assert_eq!(ask("timeout", 0, 0), text);
        assert_eq!(ask("timeout", 0, 1), None);
        assert_eq!(ask("timeout", 0, 9), None);
        assert_eq!(ask("timeout", 1, 9), text, "of another service");
        assert_eq!(ask("connect", 0, 9), text, "of another kind");
        assert_eq!(ask("timeout", 0, 10), more(2));
        assert_eq!(ask("timeout", 0, 19), None);
        assert_eq!(ask("timeout", 0, 20), more(1));
    }

    #[test]
    fn what_was_held_back_is_said_after_a_minute_or_at_the_end() {
        let repeats = Repeats::default();
        let start = Instant::now();
        let at = |after| start + Duration::from_secs(after);
        let ask = |after, text: &str| {
            repeats.ask(("timeout", 0), at(after), Level::Warning, text.to_owned())
        };
        let none: Vec<(Level, String)> = Vec::new();
        let warning = |text: &str| vec![(Level::Warning, text.to_owned())];
        assert!(ask(0, "first").is_some());
        assert_eq!(
            repeats.take_pending(at(60), true),
            none,
            "none was held back"
        );
        for (after, text) in [(1, "a"), (2, "b"), (3, "last")] {
            assert_eq!(ask(after, text), None);
        }
        assert_eq!(repeats.take_pending(at(59), false), none);
        let three = warning("last (and 2 more like it before)");
        assert_eq!(repeats.take_pending(at(60), false), three);
        assert_eq!(
            repeats.take_pending(at(200), true),
            none,
            "it has been said"
        );
        assert_eq!(ask(61, "one"), None, "it was said a second ago");
        assert_eq!(repeats.take_pending(at(62), false), none);
        assert_eq!(
            repeats.take_pending(at(62), true),
            warning("one"),
            "the end"
        );
    }

    #[test]
    fn what_is_over_is_said_before_that_or_forgotten() {
        let repeats = Repeats::default();
        let start = Instant::now();
        let ask = |kind, about| repeats.ask((kind, about), start, Level::Warning, kind.to_owned());
        for _ in 0..3 {
            ask("timeout", 0);
            ask("timeout", 1);
            ask("no answer", 9);
        }
        let said = repeats.take_about(0, start);
        let text = "timeout (and 1 more like it before)".to_owned();
        assert_eq!(said, [(Level::Warning, text.clone())]);
        repeats.forget(("no answer", 9));
        assert_eq!(repeats.take_pending(start, true), [(Level::Warning, text)]);
        assert!(repeats.take_pending(start, true).is_empty());
    }
}
