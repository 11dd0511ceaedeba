//! An event that is counted in the table, within a transaction.

use std::time::Duration;

use super::table::Table;
use crate::{
    Event, StoreError, Usage, Windows,
    store::own_key,
    window::{WindowState, check_event},
};

/// An event on its way to the thread of the database.
pub(super) struct Count {
    key: Vec<u8>,
    windows: Windows,
    event: Owned,
}

enum Owned {
    Amount(u64),
    Distinct(Vec<u8>),
}

impl Count {
    pub(super) fn new(key: &[u8], windows: &Windows, event: Event<'_>) -> Result<Self, StoreError> {
        check_event(windows, event)?;
        Ok(Self {
            key: own_key(key),
            windows: windows.clone(),
            event: match event {
                Event::Amount(amount) => Owned::Amount(amount),
                Event::Distinct(value) => Owned::Distinct(value.to_vec()),
            },
        })
    }

    pub(super) fn run(&self, table: &Table<'_>) -> Result<Usage, StoreError> {
        let event = match &self.event {
            Owned::Amount(amount) => Event::Amount(*amount),
            Owned::Distinct(value) => Event::Distinct(value),
        };
        let mut state = WindowState::decode(&table.get(&self.key)?.unwrap_or_default());
        let usage = state.count(table.now, &self.windows, event);
        let ttl = Duration::from_millis(self.windows.span_ms());
        table.set(&self.key, &state.encode(), Some(ttl))?;
        Ok(usage)
    }

    /// Counts it, unless the mark is there.
    pub(super) fn run_once(
        &self,
        mark: &[u8],
        ttl: Duration,
        table: &Table<'_>,
    ) -> Result<Option<Usage>, StoreError> {
        if table.get(mark)?.is_some() {
            return Ok(None);
        }
        let usage = self.run(table)?;
        if usage.allowed || self.windows.counts_all() {
            table.set(mark, b"1", Some(ttl))?;
        }
        Ok(Some(usage))
    }
}
