//! The lists that are left alone after errors: each is said once in the log, and so is that it answers again.

use std::collections::HashSet;

use policy_dns::list::{DnsList, Status};

use crate::{config::Lists, journal::Journal};

/// The zones of lists of which it was said that they are left alone.
#[derive(Debug, Default)]
pub(super) struct SkippedLists(HashSet<String>);

impl SkippedLists {
    /// Says what has changed since it was called last.
    pub(super) fn say_changes(&mut self, lists: &Lists, journal: &Journal) {
        let zones = |is_meant: fn(Status) -> bool| -> HashSet<String> {
            let meant = lists.iter().filter(|list| is_meant(list.status()));
            meant.map(DnsList::zone).map(str::to_owned).collect()
        };
        let skipped = zones(|status| status == Status::Skipped);
        for zone in skipped.difference(&self.0) {
            let text = format!("list {zone} does not answer, and is asked once a minute");
            journal.warning(&text);
            journal.changes().add(text);
        }
        let asked = zones(|status| matches!(status, Status::Good | Status::Untested));
        for zone in self.0.difference(&skipped) {
            if asked.contains(zone) {
                let text = format!("list {zone} answers again");
                journal.line(1, &text);
                journal.changes().add(text);
            }
        }
        self.0 = skipped;
    }

    /// Forgets all, where something else was said instead.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
