//! The log of the daemon, with the levels of the original: 0 errors, 1 each request and warnings, 2 notices, 3 connections,
//! 4 details.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use policy_daemon::{
    admin::Changes,
    log::{Entry, Level, Log, Suppressor},
};

/// The log.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Arc<Suppressor>,
    level: AtomicU8,
    changes: Changes,
}

impl Journal {
    /// Writes lines of this level and below.
    #[must_use]
    pub fn new(log: Arc<Suppressor>, level: u8) -> Self {
        let level = AtomicU8::new(level);
        let changes = Changes::default();
        Self(Arc::new(Inner {
            log,
            level,
            changes,
        }))
    }

    /// A log that is kept in memory, of level 2.
    #[must_use]
    pub fn buffered() -> Self {
        Self::new(Arc::new(Suppressor::new(Log::buffered())), 2)
    }

    /// From now on lines of this level and below are written.
    pub fn set_level(&self, level: u8) {
        self.0.level.store(level, Relaxed);
    }

    /// Whether lines of this level are written.
    #[must_use]
    pub fn is_logged(&self, level: u8) -> bool {
        level <= self.0.level.load(Relaxed)
    }

    /// Writes a line of this level.
    pub fn line(&self, level: u8, text: &str) {
        if self.is_logged(level) {
            let level = if level == 0 {
                Level::Error
            } else {
                Level::Info
            };
            self.0.log.log().line(level, text);
        }
    }

    /// Writes an entry, if lines of this level are written.
    pub fn entry(&self, level: u8, entry: &Entry) {
        if self.is_logged(level) {
            self.0.log.log().entry(entry);
        }
    }

    /// Writes that a request could not be checked, or a part of it. Repeats within 10 s are counted: texts about the same
    /// plugin, list or connection.
    pub fn failed(&self, text: &str) {
        self.0
            .log
            .line(Level::Error, "request", subject(text), text.to_owned());
    }

    /// Writes a warning. Repeats within 10 s are counted, as those of failures.
    pub fn warning(&self, text: &str) {
        if self.is_logged(1) {
            self.0
                .log
                .line(Level::Warning, "warning", subject(text), text.to_owned());
        }
    }

    /// Writes a warning that is never held back as a repeat: each tells of another event.
    pub fn warning_each_time(&self, text: &str) {
        if self.is_logged(1) {
            self.0.log.log().line(Level::Warning, text);
        }
    }

    /// The last changes of what the daemon asks, and of its configuration.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// The log behind it.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.0.log.log()
    }
}

/// The subject of a text, which stands before its first colon, as one of a few numbers: a name that a client chooses makes
/// no table grow.
fn subject(text: &str) -> usize {
    let subject = text.split(": ").next().unwrap_or(text);
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    usize::try_from(hasher.finish() % SUBJECTS).unwrap_or(0)
}

/// So many lines of a kind in 10 s at the most.
const SUBJECTS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_hides_none_of_another_plugin() {
        let journal = Journal::buffered();
        for name in ["one", "two", "one", "two"] {
            journal.failed(&format!("plugin {name} failed: no answer"));
            journal.warning(&format!("list {name}.example: no answer"));
        }
        let log = journal.log().take_buffered();
        let log = String::from_utf8(log).unwrap();
        for name in ["one", "two"] {
            assert_eq!(
                log.matches(&format!("plugin {name} failed")).count(),
                1,
                "{log}"
            );
            assert_eq!(
                log.matches(&format!("list {name}.example")).count(),
                1,
                "{log}"
            );
        }
    }

    #[test]
    fn names_that_clients_choose_do_not_fill_the_log() {
        let journal = Journal::buffered();
        for number in 0..10_000 {
            journal.failed(&format!("plugin {number} failed: no answer"));
        }
        let log = journal.log().take_buffered();
        assert!(String::from_utf8(log).unwrap().lines().count() <= 64);
    }
}
