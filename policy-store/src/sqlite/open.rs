//! The opening of a database file, which other processes may have locked.

use std::{
    borrow::Cow,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::{
    error::{error, is_locked},
    opened::Opened,
    options::SqliteOptions,
};
use crate::StoreError;

/// Several processes that start at one moment make and change a new file one after the other, on a slow disk too.
const AT_START: Duration = Duration::from_secs(10);

/// How long a start waits for a file that another process has locked.
pub(super) fn patience_at_start(options: &SqliteOptions) -> Duration {
    options.remote.deadline_to_tell().max(AT_START)
}

/// Opens the file. While it is locked, the thread waits for as long as `patience`.
pub(super) fn connect(options: &SqliteOptions, patience: Duration) -> Result<Opened, StoreError> {
    let path = &options.path;
    let is_memory = path == Path::new(":memory:");
    if !is_memory && !options.follow_links {
        refuse_links(path)?;
    }
    let is_missing = || matches!(path.try_exists(), Ok(false));
    let connection = if is_memory || (options.read_only && is_missing()) {
        Connection::open_in_memory().map_err(error)
    } else {
        check_kind(path)?;
        if options.create && !options.read_only {
            make_private(path)?;
        }
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_READ_ONLY, options.read_only);
        flags.set(OpenFlags::SQLITE_OPEN_READ_WRITE, !options.read_only);
        flags.set(
            OpenFlags::SQLITE_OPEN_CREATE,
            options.create && !options.read_only,
        );
        // One that has been put there since.
        flags.set(OpenFlags::SQLITE_OPEN_NOFOLLOW, !options.follow_links);
        let opened = Connection::open_with_flags(direct(options)?, flags);
        opened.map_err(|error| with_cause(error, options))
    };
    let connection = connection?;
    connection
        .busy_timeout(options.remote.deadline_to_tell())
        .map_err(error)?;
    if options.write_ahead && !options.read_only {
        set_write_ahead(&connection, patience).map_err(|error| with_cause(error, options))?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(Opened::new(connection, options))
}

/// Refuses a path whose last part is a link: what is written would be in somebody else's file.
fn refuse_links(path: &Path) -> Result<(), StoreError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(cannot_open)?,
    };
    if found.is_symlink() {
        return Err(StoreError::NotServing("a symbolic link".into()));
    }
    if found.is_file() && found.nlink() > 1 {
        let text = "a file with other names as well: a hard link";
        return Err(StoreError::NotServing(text.into()));
    }
    Ok(())
}

/// The path for SQLite, which refuses links in all its parts if it is to refuse any.
fn direct(options: &SqliteOptions) -> Result<Cow<'_, Path>, StoreError> {
    let path = &*options.path;
    let (Some(directory), Some(name), false) =
        (path.parent(), path.file_name(), options.follow_links)
    else {
        return Ok(path.into());
    };
    let here = Path::new(".");
    let directory = if directory == Path::new("") {
        here
    } else {
        directory
    };
    let directory = directory.canonicalize().map_err(cannot_open)?;
    Ok(directory.join(name).into())
}

/// As SQLite says that it cannot open a file: there is no connection.
fn cannot_open(error: io::Error) -> StoreError {
    StoreError::NotServing(error.to_string())
}

/// Refuses a pipe, which would be waited for, and a device.
fn check_kind(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(StoreError::NotServing("no regular file".into())),
        // What is missing is made, or opening it says why not.
        _ => Ok(()),
    }
}

/// An error of SQLite with the system's reason, which SQLite does not say.
fn with_cause(said: rusqlite::Error, options: &SqliteOptions) -> StoreError {
    match (error(said), cause(options)) {
        (StoreError::NotServing(text), Some(cause)) => {
            StoreError::NotServing(format!("{text}: {cause}"))
        }
        (error, _) => error,
    }
}

/// Why a file cannot be opened: itself, or its directory, in which SQLite makes files beside it when it writes.
fn cause(options: &SqliteOptions) -> Option<String> {
    let (path, is_written) = (&options.path, !options.read_only);
    let opened = OpenOptions::new().read(true).write(is_written).open(path);
    if let Err(cause) = opened {
        return Some(cause.to_string());
    }
    let directory = path.parent().filter(|_| is_written)?;
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let cause = access(directory, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!("its directory: {}", io::Error::from(cause)))
}

/// Makes an empty file that only its owner can read; SQLite would let the umask decide.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::{io::ErrorKind, os::unix::fs::OpenOptionsExt as _};
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(cannot_open(error)),
    }
}

/// SQLite's busy time-out does not apply to a change of the mode: it reads the file first, and fails at once if it
/// cannot write then (`sqlite3BtreeSetVersion`, `sqlite3BtreeBeginTrans` in its btree.c).
#[expect(
    clippy::disallowed_methods,
    reason = "the thread of the file, on which no connection is served"
)]
fn set_write_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let end = Instant::now() + patience;
    // A database in memory, or on a file system without shared memory, says another mode: it works as well.
    while let Err(error) = connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())) {
        if !is_locked(&error) || Instant::now() >= end {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(5));
    }
    connection.execute_batch("PRAGMA synchronous=NORMAL")
}
