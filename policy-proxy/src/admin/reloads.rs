//! The reloads of the configuration file, counted.

use std::fmt;

use policy_daemon::metrics::{Counter, Families};

/// Counts how often the configuration file was read again. The main thread alone does that.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: Counter,
    refused: Counter,
}

impl Reloads {
    /// The file was read again; its settings hold, or those of before.
    pub(crate) fn reloaded(&self, is_done: bool) {
        let counter = if is_done { &self.done } else { &self.refused };
        counter.add(1);
    }

    pub(super) fn write(&self, families: &mut Families<'_>) -> fmt::Result {
        let counts = [("done", &self.done), ("refused", &self.refused)];
        let counts = counts.map(|(outcome, count)| ([("outcome", outcome)], count.get()));
        let help = "How often the configuration file was read again, by what came of it";
        families.counters("reloads", help, counts)
    }
}
