//! Lines that repeat: one in 10 s, with the count of those that were held back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Entry, Level, Log};

/// A log that holds back lines which repeat one of less than 10 s ago, counts them, and keeps the last of them.
///
/// Lines repeat each other when they have the same kind and the same subject.
///
/// ```
/// use policy_daemon::log::{ALL, Level, Log, Suppressor};
///
/// let log = Suppressor::new(Log::buffered());
/// for _ in 0..3 {
///     log.line(Level::Warning, "full", ALL, "all places are taken".to_owned());
/// }
/// assert_eq!(log.log().take_buffered(), b"[LOG warning]: all places are taken\n");
/// ```
#[derive(Debug)]
pub struct Suppressor {
    log: Log,
    table: Mutex<HashMap<Subject, HeldBack>>,
}

/// The kind of a line, and the number of its subject. There are few of both, so that no client can make the table grow.
type Subject = (&'static str, usize);

/// The change of a subject's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It no longer works.
    Down,
    /// It works again.
    Up,
}

impl Change {
    const fn kind(self) -> &'static str {
        match self {
            Self::Down => DOWN,
            Self::Up => UP,
        }
    }
}

#[derive(Debug)]
struct HeldBack {
    /// The time of the last line that was written.
    said: Instant,
    /// The number of lines that were held back since.
    count: u64,
    /// The last of these, if it still holds.
    last: Option<Held>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    entry: Entry,
}

impl Suppressor {
    /// A log that has written nothing yet.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self {
            log,
            table: Mutex::default(),
        }
    }

    /// The log, for lines that are never held back.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Writes a line unless it repeats one of less than 10 s ago. The kinds are few constants, and `about` is a small
    /// number or [`ALL`].
    pub fn line(&self, level: Level, kind: &'static str, about: usize, text: String) {
        self.entry(kind, about, Entry::new(level, text));
    }

    /// Writes an entry as [`line`](Self::line) writes a line.
    pub fn entry(&self, kind: &'static str, about: usize, entry: Entry) {
        if let Some(entry) = self.ask((kind, about), Instant::now(), entry) {
            self.log.entry(&entry);
        }
    }

    /// Writes the line about a subject whose state has changed, unless such a line was written less than 10 s ago. Lines
    /// about the subject that were held back come first, if this state ends them; those that no longer hold are dropped.
    pub fn change(&self, about: usize, change: Change, entry: Entry) {
        for entry in self.changed(about, change.kind(), Instant::now(), entry) {
            self.log.entry(&entry);
        }
    }

    /// Writes lines that were held back and have not been followed by another one for a minute; or `all` lines that were
    /// held back, at the end. To be called once a second.
    pub fn write_held_back(&self, now: Instant, all: bool) {
        for entry in self.take_pending(now, all) {
            self.log.entry(&entry);
        }
    }

    /// Drops a line that was held back, since another line has reported it with its number.
    pub fn forget(&self, kind: &'static str, about: usize) {
        if let Some(held) = self.table().get_mut(&(kind, about)) {
            held.last = None;
            held.count = 0;
        }
    }

    /// The line, if it is to be written now, with the number of those that were held back before.
    fn ask(&self, subject: Subject, now: Instant, entry: Entry) -> Option<Entry> {
        let mut table = self.table();
        let fresh = HeldBack {
            said: now,
            count: 0,
            last: None,
        };
        match table.get_mut(&subject) {
            Some(held) if now.saturating_duration_since(held.said) < REPEAT => {
                held.count += 1;
                held.last = Some(Held { since: now, entry });
                None
            }
            Some(held) => Some(with_more(entry, std::mem::replace(held, fresh).count)),
            None => {
                table.insert(subject, fresh);
                Some(entry)
            }
        }
    }

    /// The lines for a subject that has become [`DOWN`] or [`UP`]. A line that is held back for one state drops that of
    /// the other state.
    fn changed(&self, about: usize, state: &'static str, now: Instant, entry: Entry) -> Vec<Entry> {
        let before = if state == UP { DOWN } else { UP };
        let Some(entry) = self.ask((state, about), now, entry) else {
            // Its count stays.
            if let Some(held) = self.table().get_mut(&(before, about)) {
                held.last = None;
            }
            return Vec::new();
        };
        let mut lines = self.take(now, |(kind, service), _| {
            *service == about && (state == UP || *kind == before)
        });
        lines.push(entry);
        lines
    }

    /// Lines that have waited for long enough (those about states for 10 s, others for a minute), or `all`: the last of
    /// each subject, with the number of the others.
    fn take_pending(&self, now: Instant, all: bool) -> Vec<Entry> {
        self.take(now, |(kind, _), said| {
            let wait = match *kind {
                DOWN | UP => REPEAT,
                _ => PENDING,
            };
            all || now.saturating_duration_since(said) >= wait
        })
    }

    /// Lines of these subjects that were held back, the oldest first.
    fn take(&self, now: Instant, is: impl Fn(&Subject, Instant) -> bool) -> Vec<Entry> {
        let mut table = self.table();
        let meant = table
            .iter_mut()
            .filter(|(subject, held)| is(subject, held.said));
        let taken = meant.filter_map(|(_, held)| {
            let last = held.last.take()?;
            held.said = now;
            let before = std::mem::take(&mut held.count).saturating_sub(1);
            Some((last.since, with_more(last.entry, before)))
        });
        let mut taken: Vec<_> = taken.collect();
        taken.sort_by_key(|(since, ..)| *since);
        taken.into_iter().map(|(_, entry)| entry).collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Subject, HeldBack>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_more(mut entry: Entry, count: u64) -> Entry {
    if count > 0 {
        let more = format!(" (and {count} more like it before)");
        entry.text.extend_from_slice(more.as_bytes());
    }
    entry
}

/// The kinds of lines about changes of state.
const DOWN: &str = "down";
const UP: &str = "up";
/// The time for which a repeated line is held back.
const REPEAT: Duration = Duration::from_secs(10);
/// The time for which its count waits for the next one.
const PENDING: Duration = Duration::from_secs(60);

/// In place of a subject's number: about all of them.
pub const ALL: usize = usize::MAX;

#[cfg(test)]
mod tests;
