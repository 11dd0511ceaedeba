//! A database file, and the thread that has it open.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

use super::{
    error::error,
    thread::{Thread, Work},
};
use crate::{Breaker, RemoteOptions, StoreError, guard::Guard};

/// Which file, and how it is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The file. It is made if it is missing, for its owner alone (mode 0600).
    pub path: PathBuf,
    /// Whether a file is made if there is none. Yes.
    pub create: bool,
    /// Whether the file is set to SQLite's write-ahead log, which lets readers go on while something is written. Yes.
    /// A value that was written is there after a crash of the process; after one of the machine the last moments may be lost.
    /// Otherwise the file's own mode stays, and each commit waits for the disk.
    pub write_ahead: bool,
    /// Deadline and breaker: for a file that another process keeps locked. `deadline` is also SQLite's busy time-out.
    pub remote: RemoteOptions,
    /// How many rows, and bytes in all, an answer may have. 10,000 and 16 MiB.
    pub max_rows: usize,
    /// See `max_rows`.
    pub max_bytes: usize,
}

impl SqliteOptions {
    /// The file with this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            create: true,
            write_ahead: true,
            remote: RemoteOptions::default(),
            max_rows: 10_000,
            max_bytes: 16 << 20,
        }
    }
}

/// A database file. Clones share its thread: everything that waits at one time is done in one transaction, so that
/// many callers pay for one commit.
#[derive(Clone)]
pub struct Sqlite {
    pub(super) thread: Thread,
    pub(super) options: Arc<SqliteOptions>,
    guard: Arc<Guard>,
}

impl Sqlite {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// The error that keeps it from being opened, or read as a database.
    pub async fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        let options = Arc::new(options);
        let for_thread = options.clone();
        let thread = Thread::spawn(options.remote.deadline_to_tell(), move || {
            connect(&for_thread)
        })?;
        let for_probe = thread.clone();
        let probe = move || {
            let thread = for_probe.clone();
            Box::pin(async move { thread.run(Work::Write, |_| Ok(())).await }) as _
        };
        let name = format!("sqlite {}", options.path.display());
        let guard = Guard::new(name, options.remote.clone(), Box::new(probe));
        let file = Self {
            thread,
            options,
            guard,
        };
        file.run(Work::Read, |connection| {
            let read = connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
            read.map_err(error)
        })
        .await?;
        Ok(file)
    }

    /// The breaker of the file.
    pub fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }

    /// Does something with the connection, on its thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.guard.call(self.thread.run(work, run)).await
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sqlite")
            .field("path", &self.options.path)
            .finish_non_exhaustive()
    }
}

fn connect(options: &SqliteOptions) -> Result<Connection, StoreError> {
    if options.create && options.path != Path::new(":memory:") {
        make_private(&options.path)?;
    }
    let mut flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(rusqlite::OpenFlags::SQLITE_OPEN_CREATE, options.create);
    let connection = Connection::open_with_flags(&options.path, flags).map_err(error)?;
    connection
        .busy_timeout(options.remote.deadline_to_tell())
        .map_err(error)?;
    if options.write_ahead {
        // A database in memory, or on a file system without shared memory, says another mode: it works as well.
        connection
            .query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))
            .map_err(error)?;
        connection
            .execute_batch("PRAGMA synchronous=NORMAL")
            .map_err(error)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes an empty file that only its owner can read; SQLite would let the umask decide.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt as _};
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}
