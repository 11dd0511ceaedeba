//! The caches: clients that were rejected (SPAM), and clients that were accepted (HAM).
//!
//! A daemon keeps them in memory. Once a second it writes into a file what has changed, and reads what processes of spawn(8) have
//! written there: these ask the file at each request. Where a store is named each request asks that instead.

mod clients;
mod entry;
mod file;
mod keys;
mod probe;
mod store;
mod table;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use policy_store::{BreakerState, SqlitePoint, SqliteStore, Store, StoreError};
use thiserror::Error;

pub use entry::{Ham, Spam};
pub use probe::probe;
pub use store::{
    OpenError, check_store, file_of, open_file, open_file_to_read, open_store, shown_store,
};

use crate::{config::CacheOptions, mail::Mail, score::Cached};
use keys::{ham_key, spam_key, spam_keys};
use table::Table;

/// What is known of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    /// It was rejected: the answer.
    Spam(String),
    /// It was accepted, and is without a question to DNS: the score.
    Hard(String),
    /// It was accepted, if no list has it now: the score.
    Soft(String),
}

/// The caches of a process.
#[derive(Debug, Default)]
pub struct Cache {
    tables: Mutex<Tables>,
    backing: OnceLock<Backing>,
    /// Up to where the entries of a file were taken over. Who writes into the file and reads it holds this, so that nobody takes
    /// over what another one is changing.
    taken: tokio::sync::Mutex<SqlitePoint>,
    /// Why nothing is behind the tables that is to be there.
    away: Mutex<Option<String>>,
}

/// Why the clients of a cache cannot be forgotten: it stays as it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// What is to be behind the tables is away, and would bring them back.
    #[error("{0}")]
    Away(String),
    /// The file or the store has failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CacheError {
    /// Why the place cannot be used, for a message that says so.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Away(why) => why.clone(),
            Self::Store(error) => error.reason().to_string(),
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    spam: Table<Spam>,
    ham: Table<Ham>,
}

/// What is behind the tables in memory.
#[derive(Debug)]
pub enum Backing {
    /// A file, written after the fact.
    File(SqliteStore),
    /// A store that is asked in the place of the tables.
    Shared(Box<dyn Store>),
}

impl Cache {
    /// What is known of a mail's client.
    pub async fn ask(
        &self,
        mail: &Mail,
        options: &CacheOptions,
        compat: bool,
        now: i64,
    ) -> Option<Known> {
        if options.spam_size == 0 && options.ham_size == 0 {
            return None;
        }
        if let Some(Backing::Shared(store)) = self.backing.get() {
            return store::ask(store.as_ref(), mail, options, compat, now).await;
        }
        let mut tables = self.tables();
        for key in spam_keys(mail) {
            let Some(entry) = tables.spam.get_mut(&key) else {
                continue;
            };
            match entry.ask(options, now) {
                Some(retries) => return Some(Known::Spam(answer(entry, retries, options, compat))),
                None => tables.spam.remove(&key),
            }
        }
        let entry = tables.ham.get_mut(&ham_key(mail))?;
        let is_hard = entry.ask(options, now);
        let rate = entry.rate.clone();
        Some(if is_hard {
            Known::Hard(rate)
        } else {
            Known::Soft(rate)
        })
    }

    /// Takes what a score has found. How many old entries have gone, of which table.
    pub async fn learn(
        &self,
        mail: &Mail,
        cached: &Cached,
        options: &CacheOptions,
        now: i64,
    ) -> Option<Purged> {
        if let Some(Backing::Shared(store)) = self.backing.get() {
            store::learn(store.as_ref(), mail, cached, options, now).await;
            return None;
        }
        let mut tables = self.tables();
        let (count, table) = match cached {
            Cached::Spam {
                by_sender,
                rate,
                reason,
            } => {
                tables.spam.insert(
                    spam_key(mail, *by_sender).into_owned(),
                    Spam::new(rate, reason, options, now),
                );
                (
                    tables
                        .spam
                        .purge(options.spam_size, options.spam_max_size, |entry| entry.seen),
                    "SPAM",
                )
            }
            Cached::Ham { rate } => {
                tables
                    .ham
                    .insert(ham_key(mail), Ham::new(rate, options, now));
                (
                    tables
                        .ham
                        .purge(options.ham_size, options.ham_max_size, |entry| entry.seen),
                    "HAM",
                )
            }
        };
        (count > 0).then_some(Purged { count, table })
    }

    /// How many clients there are in memory: rejected ones, and accepted ones.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        let tables = self.tables();
        (tables.spam.len(), tables.ham.len())
    }

    /// Whether each request asks a store, which others ask as well.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.backing.get(), Some(Backing::Shared(_)))
    }

    /// Whether there is a file or a store.
    #[must_use]
    pub fn is_backed(&self) -> bool {
        self.backing.get().is_some()
    }

    /// Closes the file or the store, at the end of the process: the file is whole by itself after that.
    pub async fn close(&self) {
        match self.backing.get() {
            Some(Backing::File(file)) => file.close().await,
            Some(Backing::Shared(store)) => store.close().await,
            None => {}
        }
    }

    /// Tells why the file or the store cannot be used that is to be behind the tables; or that it can, or that there is none.
    pub fn set_away(&self, away: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }

    /// Why nothing is behind the tables, if something is to be.
    fn away(&self) -> Option<String> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.clone().filter(|_| !self.is_backed())
    }

    /// Why the store that is shared is not asked, if it is away.
    #[must_use]
    pub fn outage(&self) -> Option<String> {
        let Some(Backing::Shared(store)) = self.backing.get() else {
            return None;
        };
        let mut states = store.breakers().into_iter().map(|breaker| breaker.status());
        let away = states.find(|status| status.state != BreakerState::Closed)?;
        Some(away.error.unwrap_or_default().to_string())
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Old entries that have gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Purged {
    /// How many.
    pub count: usize,
    /// `SPAM` or `HAM`.
    pub table: &'static str,
}

/// The answer to a client that was rejected before.
fn answer(entry: &Spam, retries: i64, options: &CacheOptions, compat: bool) -> String {
    let CacheOptions {
        reject_message,
        retry_seconds,
        ..
    } = options;
    let (begin, reason) = if compat || entry.reason.is_empty() {
        ("", "")
    } else {
        (" Reason: ", entry.reason.as_str())
    };
    let (seconds, retries) = (retry_seconds.to_string(), retries.to_string());
    [
        reject_message.as_str(),
        " - retrying too fast. penalty: ",
        &seconds,
        " seconds x ",
        &retries,
        " retries.",
        begin,
        reason,
    ]
    .concat()
}

/// The seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// After so long without a change an entry is forgotten.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests;
