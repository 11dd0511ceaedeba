//! A database file that is open, and whether the file of its path is still this one.

use std::{
    cell::Cell,
    fs::{self, Metadata},
    ops::Deref,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, config::DbConfig};
use tokio::time::Instant;

use super::{error::error, options::SqliteOptions, table::create};
use crate::StoreError;

/// A connection, with what is known of its file.
pub(super) struct Opened {
    connection: Connection,
    /// Whether the table of a store was found or made.
    has_table: Cell<bool>,
    is_read_only: bool,
    /// Why nothing can be written, which an option does not ask for.
    unwritable: Option<StoreError>,
    /// None for a database in memory.
    file: Option<Identity>,
}

impl Opened {
    pub(super) fn new(
        connection: Connection,
        options: &SqliteOptions,
        unwritable: Option<StoreError>,
    ) -> Self {
        let is_file = connection.path().is_some_and(|path| !path.is_empty());
        Self {
            connection,
            has_table: Cell::new(false),
            is_read_only: options.read_only,
            unwritable,
            file: is_file.then(|| Identity::of(&options.path)),
        }
    }

    /// An error where nothing can be written: what only reads may go on.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        self.unwritable.clone().map_or(Ok(()), Err)
    }

    /// Makes the table of a store if it is missing: in a file that was replaced it may be.
    pub(super) fn with_table(&self) -> Result<&Self, StoreError> {
        self.check_writable()?;
        if !self.has_table.get() {
            create(&self.connection, self.is_read_only).map_err(error)?;
            self.has_table.set(true);
        }
        Ok(self)
    }

    /// Whether what was in the file is gone. It is looked at once in a while.
    pub(super) fn is_gone(&mut self) -> bool {
        self.file.as_mut().is_some_and(Identity::is_gone_by_now)
    }

    /// Notes what there is of the file by now: the write-ahead log is made when something is first written, and stays as long as
    /// the file is open.
    pub(super) fn note_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.note();
        }
    }

    /// Whether this is another file than the one before.
    pub(super) fn is_other_than(&self, before: &Identity) -> bool {
        let file = self.file.as_ref().and_then(|file| file.number);
        file != before.number
    }

    /// Closes it. What is in the write-ahead log is written into the file first, so that a copy of the file alone is whole; not
    /// where the file is another one or empty by now, which that would damage.
    pub(super) fn close(self) -> Option<Identity> {
        let is_gone = self.file.as_ref().is_some_and(Identity::is_gone);
        // Where that fails, the log stays beside the file, and is read with it.
        _ = if is_gone {
            let config = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.connection.set_db_config(config, true).map(drop)
        } else {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.connection.query_row(checkpoint, [], |_| Ok(()))
        };
        self.file
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Which file is open, or was, and which write-ahead log it has.
pub(super) struct Identity {
    path: PathBuf,
    number: Option<Number>,
    /// An empty file that had content was cut.
    has_content: bool,
    log: Option<Number>,
    looked: Instant,
}

impl Identity {
    fn of(path: &Path) -> Self {
        let found = fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            number: found.as_ref().map(number),
            has_content: found.is_some_and(|found| found.len() > 0),
            log: number_of(&log_of(path)),
            looked: Instant::now(),
        }
    }

    fn note(&mut self) {
        if self.log.is_none() {
            self.log = number_of(&log_of(&self.path));
        }
        if !self.has_content {
            self.has_content = fs::metadata(&self.path).is_ok_and(|found| found.len() > 0);
        }
    }

    fn is_gone_by_now(&mut self) -> bool {
        if self.looked.elapsed() < INTERVAL {
            return false;
        }
        self.looked = Instant::now();
        self.is_gone()
    }

    /// Whether the path leads to another file, or to none, or the file was cut to nothing.
    fn is_gone(&self) -> bool {
        let found = fs::metadata(&self.path).ok();
        let is_cut = || found.as_ref().is_some_and(|found| found.len() == 0);
        found.as_ref().map(number) != self.number || (self.has_content && is_cut())
    }

    /// After the connection was closed: where what was in the file is gone, its write-ahead log is removed, which SQLite would take
    /// for that of the next file. The next file is another one then, even where it was cut only, or has got the inode that has
    /// become free; but not where both have left together and come back, as with their directory.
    pub(super) fn leave_if_gone(&mut self) {
        if !self.is_gone() {
            return;
        }
        let log = log_of(&self.path);
        // One that comes later comes with its file.
        let before = self.log.take();
        let is_log_left = before.is_some() && number_of(&log) == before;
        if is_log_left {
            // Where that fails, opening the new file says what is wrong.
            _ = fs::remove_file(log);
            _ = fs::remove_file(beside(&self.path, "-shm"));
        }
        let is_known_again = self.number.is_some_and(|number| number.born.is_some());
        if is_log_left || self.path.exists() || !is_known_again {
            self.number = None;
        }
    }
}

/// What no other file has; without the time of its birth, which some file systems do not keep, no other one at its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Number {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

fn number(found: &Metadata) -> Number {
    Number {
        device: found.dev(),
        inode: found.ino(),
        born: found.created().ok(),
    }
}

fn number_of(path: &Path) -> Option<Number> {
    fs::metadata(path).ok().as_ref().map(number)
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// How often a file is looked at, at most.
const INTERVAL: Duration = Duration::from_secs(1);
