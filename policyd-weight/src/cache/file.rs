//! The file behind the tables of a daemon: taken over, and written after the fact.

use futures_util::future::join_all;
use policy_store::{SqlitePoint, SqliteStore, Store, StoreError};

use super::{
    Backing, Cache, Ham, KEPT, Spam, Tables,
    keys::{PREFIX, split_stored_key, stored_key},
    store::ENDED,
};
use crate::text::{bytes, characters};

impl Cache {
    /// Puts something behind the tables, once: the entries of a file are taken over.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn attach(&self, backing: Backing) -> Result<(), StoreError> {
        if let Backing::File(file) = &backing {
            self.take_over(file, &mut *self.taken.lock().await).await?;
        }
        // A second one is dropped.
        _ = self.backing.set(backing);
        Ok(())
    }

    /// Writes what has changed into the file, and takes over what processes of spawn(8) have written there since the last time: new
    /// clients, and what they have counted of those that are known.
    ///
    /// # Errors
    ///
    /// The file cannot be written or read.
    pub async fn exchange(&self) -> Result<(), StoreError> {
        self.exchange_after(&mut *self.taken.lock().await).await
    }

    /// The same for who has the point already, and lets nobody else write into the file or read it until it is given back.
    pub(super) async fn exchange_after(&self, taken: &mut SqlitePoint) -> Result<(), StoreError> {
        self.flush().await?;
        match self.backing.get() {
            Some(Backing::File(file)) => self.take_over(file, taken).await,
            _ => Ok(()),
        }
    }

    async fn take_over(
        &self,
        file: &SqliteStore,
        taken: &mut SqlitePoint,
    ) -> Result<(), StoreError> {
        let entries = file.entries_after(PREFIX.as_bytes(), taken, MAX_RESTORED);
        let (entries, point) = entries.await?;
        let mut tables = self.tables();
        for (key, value) in entries {
            tables.restore(&key, &value);
        }
        *taken = point;
        Ok(())
    }

    /// Writes what has changed into the file, if there is one.
    ///
    /// # Errors
    ///
    /// The file cannot be written. What was not written is the next time, and the tables hold on.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let Some(Backing::File(file)) = self.backing.get() else {
            return Ok(());
        };
        let (spam, ham) = {
            let mut tables = self.tables();
            let spam = tables.spam.take_changes(Spam::encode);
            (spam, tables.ham.take_changes(Ham::encode))
        };
        let changes = |kind, changes: Vec<(String, Option<String>)>| {
            changes.into_iter().map(move |change| (kind, change))
        };
        let changes: Vec<_> = changes(SPAM, spam).chain(changes(HAM, ham)).collect();
        let keys = changes.iter().map(|(kind, (key, _))| (*kind, key.clone()));
        let mut unwritten = Unwritten {
            cache: self,
            keys: keys.collect(),
        };
        let writes = changes.iter().map(|(kind, (key, value))| async move {
            let key = stored_key(kind, key);
            match value {
                Some(value) => file.set(&key, &bytes(value), Some(KEPT)).await,
                None => file.delete(&key).await.map(|_| ()),
            }
        });
        // All that waits at one time is one transaction.
        let written = join_all(writes).await;
        let mut results = written.iter();
        unwritten
            .keys
            .retain(|_| results.next().is_some_and(Result::is_err));
        written.into_iter().collect()
    }

    /// Has entries that the file may lose, while they stay in memory, written into it again: where what takes them away there has
    /// failed, or has not ended in time, that may have been done all the same.
    pub(super) fn keep_in_file(&self, keys: impl IntoIterator<Item = (&'static str, String)>) {
        let mut tables = self.tables();
        for (kind, key) in keys {
            tables.keep_change(kind, key);
        }
    }
}

/// Changes that are being written. Those that are not in the file at its end, such as when nobody waits for it any more, are
/// written the next time.
struct Unwritten<'a> {
    cache: &'a Cache,
    keys: Vec<(&'static str, String)>,
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        self.cache.keep_in_file(self.keys.drain(..));
    }
}

impl Tables {
    /// What was not written has changed still.
    fn keep_change(&mut self, kind: &str, key: String) {
        match kind {
            SPAM => self.spam.keep_change(key),
            _ => self.ham.keep_change(key),
        }
    }

    /// The kinds and the keys of all entries.
    pub(super) fn keys(&self) -> Vec<(&'static str, String)> {
        let spam = self.spam.sorted().into_iter();
        let spam = spam.map(|(key, _)| (SPAM, key.clone()));
        let ham = self.ham.sorted().into_iter();
        spam.chain(ham.map(|(key, _)| (HAM, key.clone()))).collect()
    }

    /// Takes over an entry of a file.
    fn restore(&mut self, key: &[u8], value: &[u8]) {
        let is_ended = value == ENDED;
        let value = characters(value);
        match split_stored_key(key) {
            Some((SPAM, key)) if is_ended => self.spam.restore_end(key),
            Some((SPAM, key)) => {
                if let Some(entry) = Spam::decode(&value) {
                    self.spam.restore(key.to_owned(), entry);
                }
            }
            Some((HAM, key)) => {
                if let Some(entry) = Ham::decode(&value) {
                    self.ham.restore(key.to_owned(), entry);
                }
            }
            _ => {}
        }
    }
}

/// The kinds of entries in a store.
pub(super) const SPAM: &str = "spam";
pub(super) const HAM: &str = "ham";
/// More than the tables hold at most.
const MAX_RESTORED: usize = 2_000_000;
