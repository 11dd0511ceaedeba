//! The opening of a database file, which other processes may have locked.

use std::{
    borrow::Cow,
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use rustix::{
    fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, mknodat, open},
    io::Errno,
};

use super::{
    error::{error, is_locked, lacks_rights},
    opened::{Opened, beside, log_of},
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
        let path = direct(options)?;
        let opened = if options.read_only && is_immutable(&path) {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable(&path), flags)
        } else {
            Connection::open_with_flags(path, flags)
        };
        opened.map_err(|error| with_cause(error, options))
    };
    let connection = connection?;
    connection
        .busy_timeout(options.remote.deadline_to_tell())
        .map_err(error)?;
    let mut unwritable = None;
    if options.write_ahead
        && !options.read_only
        && let Err(said) = set_write_ahead(&connection, patience)
    {
        let is_readable = lacks_rights(&said) && can_be_read(&connection);
        let failure = with_cause(said, options);
        if !is_readable {
            return Err(failure);
        }
        unwritable = Some(failure);
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(Opened::new(connection, options, unwritable))
}

/// Whether the tables can be read at once, though nothing can be written: somebody else's file, as a rule.
fn can_be_read(connection: &Connection) -> bool {
    let count = connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
    count.is_ok()
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

/// Whether a file is to be opened without locks and shared memory, which SQLite could not make beside it: it is on a file system
/// that is read-only here, and is complete as it is. Who changes it elsewhere has to put another one in its place.
fn is_immutable(path: &Path) -> bool {
    access(path, Access::WRITE_OK) == Err(Errno::ROFS) && !is_work_left(path)
}

/// Whether there is a write-ahead log with transactions, or a journal of one that has not ended.
fn is_work_left(path: &Path) -> bool {
    [log_of(path), beside(path, "-journal")]
        .iter()
        .any(|path| fs::metadata(path).is_ok_and(|left| left.len() > 0))
}

/// The name by which SQLite opens such a file without a lock.
fn immutable(path: &Path) -> OsString {
    // An absolute path has a name of a host before it, which is empty.
    let begin = if path.is_absolute() {
        "file://"
    } else {
        "file:"
    };
    let mut name = begin.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.extend(format!("%{byte:02x}").bytes()),
            _ => name.push(byte),
        }
    }
    name.extend(b"?immutable=1");
    OsString::from_vec(name)
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

/// Why a file cannot be opened: itself, or its directory, in which SQLite makes files beside it when it writes. The file is
/// not opened for that: closing any descriptor of it would take the locks of all connections that this process has to it.
fn cause(options: &SqliteOptions) -> Option<String> {
    let (path, is_written) = (&options.path, !options.read_only);
    let directory = path.parent()?;
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    // What keeps every file from being opened, such as too many that are open, shows with the directory as well.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut wanted = Access::READ_OK;
    wanted.set(Access::WRITE_OK, is_written);
    let opened = open(directory, flags, Mode::empty()).map(drop);
    if let Err(cause) = opened.and_then(|()| access(path, wanted)) {
        return Some(io::Error::from(cause).to_string());
    }
    if !is_written {
        return None;
    }
    let cause = access(directory, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!("its directory: {}", io::Error::from(cause)))
}

/// Whether this process may do so with a file, by the rights with which it opens files.
fn access(path: &Path, wanted: Access) -> rustix::io::Result<()> {
    accessat(CWD, path, wanted, AtFlags::EACCESS)
}

/// Makes an empty file that only its owner can read; SQLite would let the umask decide. It is made without being opened: another
/// connection of this process may lock it by then, whose locks a descriptor that is closed would take.
fn make_private(path: &Path) -> Result<(), StoreError> {
    match mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(cannot_open(error.into())),
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

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn a_file_that_does_not_change_is_opened_by_its_own_name() {
        for (path, name) in [
            ("/a/b c.sqlite", "file:///a/b c.sqlite?immutable=1"),
            ("//a", "file:////a?immutable=1"),
            ("a?b%#=&", "file:a%3fb%25%23=&?immutable=1"),
        ] {
            assert_eq!(immutable(Path::new(path)), OsString::from(name));
        }
        let directory = tempfile::tempdir().unwrap();
        for name in ["plain", "od?d%23#name"] {
            let path = directory.path().join(name);
            let made = Connection::open(&path).unwrap();
            made.execute_batch("CREATE TABLE t (x)").unwrap();
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let opened = Connection::open_with_flags(immutable(&path), flags).unwrap();
            let count = opened.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
            assert_eq!(count, Ok(0));
        }
    }

    #[test]
    fn a_transaction_may_be_left_in_a_log_or_a_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        for end in ["wal", "journal"] {
            let left = directory.path().join(format!("store.sqlite-{end}"));
            assert!(!is_work_left(&path));
            fs::write(&left, "").unwrap();
            assert!(!is_work_left(&path));
            fs::write(&left, "a page").unwrap();
            assert!(is_work_left(&path), "{end}");
            fs::remove_file(left).unwrap();
        }
    }

    /// The locks of this process on a file, as the system lists them.
    fn locks(path: &Path) -> usize {
        let own = format!(" POSIX  ADVISORY  WRITE {} ", process::id());
        let file = format!(":{} ", fs::metadata(path).unwrap().ino());
        let all = fs::read_to_string("/proc/locks").unwrap();
        let is_own = |line: &&str| line.contains(&own) && line.contains(&file);
        all.lines().filter(is_own).count()
    }

    /// A descriptor of the file that is closed would take them.
    #[test]
    fn an_error_leaves_the_locks_of_this_process_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = SqliteOptions::new(directory.path().join("store.sqlite"));
        options.remote.deadline = Duration::from_millis(1);
        let other = Connection::open(&options.path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let before = locks(&options.path);
        assert!(before > 0);
        let Err(error) = connect(&options, Duration::ZERO) else {
            panic!("it is locked");
        };
        assert!(error.is_outage(), "{error}");
        assert_eq!(locks(&options.path), before);
    }
}
