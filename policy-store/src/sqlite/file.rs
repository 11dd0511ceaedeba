//! A database file, and the thread that has it open.

use std::{fmt, sync::Arc};

use super::{
    error::error,
    open::{connect, patience_at_start},
    opened::Opened,
    options::SqliteOptions,
    thread::{Thread, Work},
};
use crate::{Breaker, StoreError, guard::Guard};

/// A database file. Clones share its thread: everything that waits at one time is done in one transaction, so that
/// many callers pay for one commit.
#[derive(Clone)]
pub struct Sqlite {
    pub(super) thread: Thread,
    pub(super) options: Arc<SqliteOptions>,
    guard: Arc<Guard>,
}

impl Sqlite {
    /// The file, which is opened when it is first needed.
    pub fn new(options: SqliteOptions) -> Self {
        let options = Arc::new(options);
        let for_thread = options.clone();
        let deadline = options.remote.deadline_to_tell();
        let at_start = patience_at_start(&options);
        let thread = Thread::new(deadline, at_start, move |patience| {
            connect(&for_thread, patience)
        });
        let for_probe = thread.clone();
        let work = if options.read_only {
            Work::Read
        } else {
            Work::Write
        };
        let probe = move || {
            let thread = for_probe.clone();
            Box::pin(async move { thread.run(work, |_| Ok(())).await }) as _
        };
        let name = format!("sqlite {}", options.path.display());
        let guard = Guard::new(name, options.remote.clone(), Box::new(probe));
        Self {
            thread,
            options,
            guard,
        }
    }

    /// Opens the file. A start is no request: while another process has the file locked, it waits for ten seconds, or for
    /// the deadline if that is longer.
    ///
    /// # Errors
    ///
    /// The error that keeps it from being opened, or read as a database.
    pub async fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        let file = Self::new(options);
        file.start().await?;
        Ok(file)
    }

    /// Opens the file now, as [`open`](Self::open) does.
    ///
    /// # Errors
    ///
    /// As those of [`open`](Self::open).
    pub async fn start(&self) -> Result<(), StoreError> {
        self.run_at_start(|opened| {
            let read = opened.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
            read.map_err(error)
        })
        .await
    }

    /// Closes the file, with all clones, after what they have begun: what is in its write-ahead log is written into it, so that
    /// the file alone is whole. It is for the end of a program, which does not wait for the file's thread. What is asked
    /// later opens it again.
    pub async fn close(&self) {
        self.thread.close().await;
    }

    /// How often the file was found to be another one than before, or none, or to be cut to nothing, and was opened again.
    /// What the old file held is not in the new one.
    pub fn replaced(&self) -> u64 {
        self.thread.replaced()
    }

    /// The breaker of the file.
    pub fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }

    /// Does something with the connection, on its thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.guard.call(self.thread.run(work, run)).await
    }

    /// Does something before the first request. It may wait for a lock for longer than a call.
    pub(super) async fn run_at_start<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let options = self.options.clone();
        let patient = move |connection: &Opened| {
            let wait = |time| connection.busy_timeout(time).map_err(error);
            wait(patience_at_start(&options))?;
            let result = run(connection);
            wait(options.remote.deadline_to_tell())?;
            result
        };
        self.guard.begin(self.thread.run(Work::Read, patient)).await
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
