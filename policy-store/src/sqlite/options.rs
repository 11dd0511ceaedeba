//! The options of a database file.

use std::path::PathBuf;

use crate::RemoteOptions;

/// Which file, and how it is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The file. It is made if it is missing, for its owner alone (mode 0600). `:memory:` is a database in memory, which is
    /// shared with no other [`Sqlite`](crate::Sqlite) but its clones. It is gone with the last of them, and where SQLite fails
    /// and is opened again.
    pub path: PathBuf,
    /// Whether a file is made if there is none. Yes.
    pub create: bool,
    /// Whether the file may have another name: a symbolic or a hard link in its place is refused otherwise, for a directory
    /// into which others may put one. Links on the way to that directory are followed. Yes.
    pub follow_links: bool,
    /// Whether the file is set to SQLite's write-ahead log, which lets readers go on while something is written. Yes.
    /// A value that was written is there after a crash of the process; after one of the machine the last moments may be lost.
    /// Otherwise the file's own mode stays, and each commit waits for the disk.
    pub write_ahead: bool,
    /// Whether nothing is written: a file or a table that is missing counts as an empty one, and is not made. A file on a file
    /// system that is read-only can be read so as well. No.
    pub read_only: bool,
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
            follow_links: true,
            write_ahead: true,
            read_only: false,
            remote: RemoteOptions::default(),
            max_rows: 10_000,
            max_bytes: 16 << 20,
        }
    }
}
