//! The entries of a store in memory, in the order of their writing and of their ends.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::MemoryOptions;
use crate::{StoreError, store::check_limit};

/// The memory of an entry beside its key and value: its places in three collections.
const OVERHEAD: usize = 200;

#[derive(Debug)]
pub(super) struct Entries {
    options: MemoryOptions,
    by_key: HashMap<Bytes, Entry>,
    /// Keys by when they were written: the number of the writing.
    by_age: BTreeMap<u64, Bytes>,
    by_end: BTreeSet<(Instant, u64)>,
    writings: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    /// None is for good.
    end: Option<Instant>,
    writing: u64,
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

impl Entries {
    pub(super) fn new(options: MemoryOptions) -> Self {
        Self {
            options,
            by_key: HashMap::new(),
            by_age: BTreeMap::new(),
            by_end: BTreeSet::new(),
            writings: 0,
            bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &[u8], now: Instant) -> Option<&Bytes> {
        let entry = self.by_key.get(key).filter(|entry| !entry.is_over(now));
        entry.map(|entry| &entry.value)
    }

    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.by_age
            .values()
            .filter_map(move |key| Some((key, self.get(key, now)?)))
    }

    pub(super) fn set(
        &mut self,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<(), StoreError> {
        // A time too long for the clock is for good.
        let end = ttl.and_then(|ttl| now.checked_add(ttl.max(Duration::from_millis(1))));
        self.write(key, value, end, now)
    }

    /// Gives an entry another value, and leaves its time as it is.
    pub(super) fn replace(
        &mut self,
        key: &[u8],
        value: &[u8],
        now: Instant,
    ) -> Result<(), StoreError> {
        let end = self.by_key.get(key).and_then(|entry| entry.end);
        self.write(key, value, end, now)
    }

    /// True if it was there, and its time was not over.
    pub(super) fn remove(&mut self, key: &[u8], now: Instant) -> bool {
        self.take(key).is_some_and(|entry| !entry.is_over(now))
    }

    fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        end: Option<Instant>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let size = key.len() + value.len() + OVERHEAD;
        // All others would leave, and it would still be too large.
        check_limit(size, self.options.max_bytes, "bytes of an entry")?;
        self.take(key);
        let key = Bytes::copy_from_slice(key);
        self.make_room(size, now);
        self.writings += 1;
        let writing = self.writings;
        self.bytes += size;
        self.by_age.insert(writing, key.clone());
        if let Some(end) = end {
            self.by_end.insert((end, writing));
        }
        self.by_key.insert(
            key,
            Entry {
                value: Bytes::copy_from_slice(value),
                end,
                writing,
            },
        );
        Ok(())
    }

    fn make_room(&mut self, size: usize, now: Instant) {
        // Two leave for one that comes, so that what is over does not stay for long, and no call has much to do.
        for _ in 0..2 {
            match self.by_end.first() {
                Some((end, writing)) if *end <= now => self.drop_writing(*writing),
                _ => break,
            }
        }
        while !self.by_key.is_empty()
            && (self.len() >= self.options.max_entries
                || self.bytes + size > self.options.max_bytes)
        {
            let over = self
                .by_end
                .first()
                .filter(|(end, _)| *end <= now)
                .map(|(_, writing)| *writing);
            let oldest = self.by_age.keys().next().copied();
            let Some(writing) = over.or(oldest) else {
                return;
            };
            self.drop_writing(writing);
        }
    }

    fn drop_writing(&mut self, writing: u64) {
        if let Some(key) = self.by_age.get(&writing).cloned() {
            self.take(&key);
        }
    }

    fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.by_key.remove(key)?;
        self.bytes -= key.len() + entry.value.len() + OVERHEAD;
        self.by_age.remove(&entry.writing);
        if let Some(end) = entry.end {
            self.by_end.remove(&(end, entry.writing));
        }
        Some(entry)
    }
}
