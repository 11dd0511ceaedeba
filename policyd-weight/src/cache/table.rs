//! Entries by their keys, of which the oldest go when there are too many.

use std::collections::{HashMap, HashSet};

/// A bounded table.
#[derive(Debug)]
pub(super) struct Table<E> {
    entries: HashMap<String, E>,
    /// What has changed since it was written last.
    changed: HashSet<String>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            changed: HashSet::new(),
        }
    }
}

impl<E> Table<E> {
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut E> {
        let entry = self.entries.get_mut(key)?;
        if !self.changed.contains(key) {
            self.changed.insert(key.to_owned());
        }
        Some(entry)
    }

    pub(super) fn insert(&mut self, key: String, entry: E) {
        self.changed.insert(key.clone());
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.entries.remove(key).is_some() {
            self.changed.insert(key.to_owned());
        }
    }

    /// Above `max` entries, those that were seen longest ago go down to `size`. How many.
    pub(super) fn purge(&mut self, size: usize, max: usize, seen: impl Fn(&E) -> i64) -> usize {
        if self.entries.len() <= max {
            return 0;
        }
        let mut by_age: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (seen(entry), key.clone()))
            .collect();
        by_age.sort_unstable();
        let count = self.entries.len().saturating_sub(size);
        for (_, key) in by_age.into_iter().take(count) {
            self.remove(&key);
        }
        count
    }

    /// Removes an entry that is in no file any more. What comes there after it stays.
    pub(super) fn forget(&mut self, key: &str) {
        self.entries.remove(key);
        self.changed.remove(key);
    }

    /// The same of all entries.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.changed.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&String, &E)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }

    /// What has changed since the last time; none where the entry is gone.
    pub(super) fn take_changes(
        &mut self,
        encode: impl Fn(&E) -> String,
    ) -> Vec<(String, Option<String>)> {
        let changed = self.changed.drain();
        changed
            .map(|key| (self.entries.get(&key).map(&encode), key))
            .map(|(value, key)| (key, value))
            .collect()
    }

    /// What could not be written has changed still.
    pub(super) fn keep_change(&mut self, key: String) {
        self.changed.insert(key);
    }

    /// Takes over what was written: it has not changed, and entries that are newer stay.
    pub(super) fn restore(&mut self, key: String, entry: E) {
        if !self.changed.contains(&key) {
            self.entries.insert(key, entry);
        }
    }

    /// The same of an entry that has ended.
    pub(super) fn restore_end(&mut self, key: &str) {
        if !self.changed.contains(key) {
            self.entries.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go() {
        let mut table = Table::default();
        for age in 0..5 {
            table.insert(format!("k{age}"), age);
            assert_eq!(table.purge(2, 4, |age| *age), if age == 4 { 3 } else { 0 });
        }
        let left: Vec<_> = table
            .sorted()
            .into_iter()
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(left, ["k3", "k4"]);
    }

    #[test]
    fn changes_are_told_once() {
        let mut table = Table::default();
        table.insert("a".into(), 1);
        table.restore("b".into(), 2);
        assert_eq!(
            table.take_changes(i32::to_string),
            [("a".to_owned(), Some("1".to_owned()))]
        );
        assert_eq!(table.take_changes(i32::to_string), []);
        table.remove("b");
        assert_eq!(table.take_changes(i32::to_string), [("b".to_owned(), None)]);
        // What is forgotten is gone from the file already.
        table.keep_change("a".into());
        table.forget("a");
        table.insert("b".into(), 2);
        table.clear();
        assert_eq!(table.len(), 0);
        assert_eq!(table.take_changes(i32::to_string), []);
        table.insert("a".into(), 3);
        table.restore("a".into(), 1);
        table.restore_end("a");
        assert_eq!(table.get_mut("a").copied(), Some(3));
        table.restore("b".into(), 2);
        table.restore_end("b");
        assert_eq!(table.get_mut("b"), None);
    }
}
