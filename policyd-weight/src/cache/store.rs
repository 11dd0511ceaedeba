//! Stores behind the caches: a file, or one that several hosts share.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use policy_store::{
    Driver, Dsn, InvalidDsn, RedisOptions, RedisServers, RedisStore, Secret, Sqlite, SqliteOptions,
    SqliteStore, Store, StoreError,
};
use thiserror::Error;

use super::{
    Ham, KEPT, Known, Spam, answer,
    keys::{ham_key, spam_key, spam_keys, stored_key},
};
use crate::{
    config::CacheOptions,
    mail::Mail,
    score::Cached,
    text::{bytes, characters},
};

/// Why a store is not to be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A name that cannot be read.
    #[error("$CACHE_STORE: {0}")]
    Name(String),
    /// A database whose name cannot be read.
    #[error("$CACHE_STORE: {0}")]
    Database(#[from] InvalidDsn),
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Why it cannot be used, for a message that says that.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Store(error) => error.reason().to_string(),
            error => error.to_string(),
        }
    }
}

/// The file of a host's cache. It is made if it is missing.
///
/// # Errors
///
/// What keeps it from being opened: a link in its place does as well.
pub async fn open_file(path: &Path) -> Result<SqliteStore, OpenError> {
    open(SqliteOptions::new(path)).await
}

/// The same, in which nothing is written: a file that is missing counts as an empty one.
///
/// # Errors
///
/// What keeps it from being opened.
pub async fn open_file_to_read(path: &Path) -> Result<SqliteStore, OpenError> {
    let mut options = SqliteOptions::new(path);
    options.read_only = true;
    open(options).await
}

async fn open(mut options: SqliteOptions) -> Result<SqliteStore, OpenError> {
    // The directory is the daemon's user's, and root may be the one who opens it.
    options.follow_links = false;
    Ok(SqliteStore::new(Sqlite::open(options).await?).await?)
}

/// A store that several hosts share: `redis://[:PASSWORD@]HOST[:PORT][/DATABASE]`, `sqlite:PATH`, and with the features
/// `mysql` and `postgres` `mysql://..` and `postgres://..`.
///
/// # Errors
///
/// A name that cannot be read, and what keeps a database from being used. Redis is connected to when it is asked.
pub async fn open_store(name: &str) -> Result<Box<dyn Store>, OpenError> {
    if let Some(rest) = name.strip_prefix("redis://") {
        return Ok(Box::new(RedisStore::new(redis(rest)?)?));
    }
    let dsn: Dsn = name.parse()?;
    match dsn.driver {
        Driver::Sqlite => Ok(Box::new(open_file(Path::new(&dsn.database)).await?)),
        #[cfg(feature = "mysql")]
        Driver::Mysql => {
            let database = policy_store::Mysql::new(&dsn, policy_store::SqlOptions::default())?;
            Ok(Box::new(
                policy_store::SqlStore::new(std::sync::Arc::new(database)).await?,
            ))
        }
        #[cfg(feature = "postgres")]
        Driver::Postgres => {
            let database = policy_store::Postgres::new(&dsn, policy_store::SqlOptions::default())?;
            Ok(Box::new(
                policy_store::SqlStore::new(std::sync::Arc::new(database)).await?,
            ))
        }
        #[allow(
            unreachable_patterns,
            reason = "with both features all drivers are there"
        )]
        driver => Err(OpenError::Name(format!("this build has no {driver:?}"))),
    }
}

/// The file of a store of SQLite.
#[must_use]
pub fn file_of(name: &str) -> Option<PathBuf> {
    let dsn: Dsn = name.parse().ok()?;
    matches!(dsn.driver, Driver::Sqlite).then(|| dsn.database.into())
}

/// The kind and the place of a store, without its user and password.
#[must_use]
pub fn shown_store(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("redis://") {
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        return format!("redis at {place}");
    }
    let Ok(dsn) = name.parse::<Dsn>() else {
        // What cannot be read may hold a password.
        return String::new();
    };
    let (driver, database) = (dsn.driver, dsn.database);
    let port = dsn.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = dsn.host.unwrap_or_else(|| "127.0.0.1".to_owned());
    match dsn.socket {
        _ if matches!(driver, Driver::Sqlite) => format!("{driver} {database}"),
        Some(socket) => format!("{driver} database {database} at {socket}"),
        None if host.contains(':') => format!("{driver} database {database} at [{host}]{port}"),
        None => format!("{driver} database {database} at {host}{port}"),
    }
}

/// Looks at the name of a store alone; an empty one is none.
///
/// # Errors
///
/// A name that cannot be read, and a database that this build is without.
pub fn check_store(name: &str) -> Result<(), OpenError> {
    if name.is_empty() {
        return Ok(());
    }
    if let Some(rest) = name.strip_prefix("redis://") {
        return redis(rest).map(drop);
    }
    let dsn: Dsn = name.parse()?;
    match dsn.driver {
        Driver::Sqlite => Ok(()),
        #[cfg(feature = "mysql")]
        Driver::Mysql => Ok(()),
        #[cfg(feature = "postgres")]
        Driver::Postgres => Ok(()),
        #[allow(
            unreachable_patterns,
            reason = "with both features all drivers are there"
        )]
        driver => Err(OpenError::Name(format!("this build has no {driver:?}"))),
    }
}

pub(super) fn redis(text: &str) -> Result<RedisOptions, OpenError> {
    let (text, database) = text.split_once('/').unwrap_or((text, ""));
    let (user, address) = text
        .rsplit_once('@')
        .map_or((None, text), |(user, address)| (Some(user), address));
    if address.is_empty() {
        return Err(OpenError::Name(
            "a host is missing: redis://HOST[:PORT][/DATABASE]".into(),
        ));
    }
    let mut options = RedisOptions::new(RedisServers::One(address.to_owned()));
    if let Some((user, password)) = user.map(|user| user.split_once(':').unwrap_or(("", user))) {
        options.user = Some(user.to_owned()).filter(|user| !user.is_empty());
        options.password = Some(Secret::from(password));
    }
    if !database.is_empty() {
        let number = database.parse();
        options.database = number
            // It is not shown: a password with a `/` in it would be.
            .map_err(|_| OpenError::Name("no number of a database follows the `/`".into()))?;
    }
    Ok(options)
}

/// Asks a store. One that does not answer knows nothing.
pub(super) async fn ask(
    store: &dyn Store,
    mail: &Mail,
    options: &CacheOptions,
    compat: bool,
    now: i64,
) -> Option<Known> {
    for key in spam_keys(mail) {
        let key = stored_key("spam", &key);
        let Some((old, mut entry)) = get(store, &key, Spam::decode).await else {
            continue;
        };
        match entry.ask(options, now) {
            Some(retries) => {
                // Another host may have counted at the same time: one of both counts.
                _ = store
                    .compare_and_set(&key, &old, &bytes(&entry.encode()), Some(KEPT))
                    .await;
                return Some(Known::Spam(answer(&entry, retries, options, compat)));
            }
            None => {
                let ended = store.compare_and_set(&key, &old, ENDED, Some(ENDED_KEPT));
                _ = ended.await;
            }
        }
    }
    let key = stored_key("ham", &ham_key(mail));
    let (old, mut entry) = get(store, &key, Ham::decode).await?;
    let is_hard = entry.ask(options, now);
    _ = store
        .compare_and_set(&key, &old, &bytes(&entry.encode()), Some(KEPT))
        .await;
    Some(if is_hard {
        Known::Hard(entry.rate)
    } else {
        Known::Soft(entry.rate)
    })
}

/// The value of an entry that has ended. It is kept for a time, in which a daemon that has the entry in memory looks into the file;
/// what is deleted shows nothing to look at.
pub(super) const ENDED: &[u8] = b"";
const ENDED_KEPT: Duration = Duration::from_secs(3600);

/// Tells a store. One that does not answer learns nothing.
pub(super) async fn learn(
    store: &dyn Store,
    mail: &Mail,
    cached: &Cached,
    options: &CacheOptions,
    now: i64,
) {
    let (key, value) = match cached {
        Cached::Spam {
            by_sender,
            rate,
            reason,
        } => (
            stored_key("spam", &spam_key(mail, *by_sender)),
            Spam::new(rate, reason, options, now).encode(),
        ),
        Cached::Ham { rate } => (
            stored_key("ham", &ham_key(mail)),
            Ham::new(rate, options, now).encode(),
        ),
    };
    _ = store.set(&key, &bytes(&value), Some(KEPT)).await;
}

/// The bytes of an entry and what they mean.
async fn get<E>(
    store: &dyn Store,
    key: &[u8],
    decode: impl Fn(&str) -> Option<E>,
) -> Option<(Vec<u8>, E)> {
    let value = store.get(key).await.ok().flatten()?;
    let text = characters(&value);
    Some((value.to_vec(), decode(&text)?))
}
