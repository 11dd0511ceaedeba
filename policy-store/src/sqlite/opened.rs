//! A database file that is open, and whether the file of its path is still this one.

use std::{
    cell::Cell,
    fs,
    ops::Deref,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use tokio::time::Instant;

use super::{error::error, options::SqliteOptions, table::create};
use crate::StoreError;

/// A connection, with what is known of its file.
pub(super) struct Opened {
    connection: Connection,
    /// Whether the table of a store was found or made.
    has_table: Cell<bool>,
    is_read_only: bool,
    /// None for a database in memory.
    file: Option<Identity>,
}

impl Opened {
    pub(super) fn new(connection: Connection, options: &SqliteOptions) -> Self {
        let is_file = connection.path().is_some_and(|path| !path.is_empty());
        Self {
            connection,
            has_table: Cell::new(false),
            is_read_only: options.read_only,
            file: is_file.then(|| Identity::of(&options.path)),
        }
    }

    /// Makes the table of a store if it is missing: in a file that was replaced it may be.
    pub(super) fn with_table(&self) -> Result<&Self, StoreError> {
        if !self.has_table.get() {
            create(&self.connection, self.is_read_only).map_err(error)?;
            self.has_table.set(true);
        }
        Ok(self)
    }

    /// Whether the path leads to another file by now, or to none. It is looked at once in a while.
    pub(super) fn is_gone(&mut self) -> bool {
        self.file.as_mut().is_some_and(Identity::is_gone)
    }

    /// Notes the write-ahead log, which is made when something is first written, and stays as long as the file is open.
    pub(super) fn note_log(&mut self) {
        if let Some(file) = &mut self.file
            && file.log.is_none()
        {
            file.log = number(&log_of(&file.path));
        }
    }

    /// Closes it. The write-ahead log of a file that is gone is removed: SQLite would take it for that of the new one.
    pub(super) fn close_gone(self) {
        drop(self.connection);
        if let Some(file) = self.file {
            file.remove_log();
        }
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Which file is open, and which write-ahead log it has.
struct Identity {
    path: PathBuf,
    file: Option<(u64, u64)>,
    log: Option<(u64, u64)>,
    looked: Instant,
}

impl Identity {
    fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: number(path),
            log: number(&log_of(path)),
            looked: Instant::now(),
        }
    }

    fn is_gone(&mut self) -> bool {
        if self.looked.elapsed() < INTERVAL {
            return false;
        }
        self.looked = Instant::now();
        number(&self.path) != self.file
    }

    fn remove_log(&self) {
        let log = log_of(&self.path);
        if self.log.is_some() && number(&log) == self.log {
            // Where that fails, opening the new file says what is wrong.
            _ = fs::remove_file(log);
            _ = fs::remove_file(beside(&self.path, "-shm"));
        }
    }
}

/// The device and the inode of a file.
fn number(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// How often a file is looked at, at most.
const INTERVAL: Duration = Duration::from_secs(1);
