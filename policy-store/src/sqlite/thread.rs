//! The thread that has a database open: it does what waits in one transaction.

use std::{fmt, thread, time::Duration};

use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::error::{error, is_locked};
use crate::StoreError;

/// How much is done in one transaction, so that nobody waits for a long one.
const MAX_BATCH: usize = 256;

/// How much may wait.
const QUEUE: usize = 1024;

/// Whether something needs a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Work {
    Read,
    Write,
}

/// Work with the connection. Its result is told how the transaction ended.
type Run = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Finish + Send>;
type Finish = Box<dyn FnOnce(&Result<(), StoreError>)>;

struct Job {
    work: Work,
    run: Run,
}

/// A handle of the thread, which ends with the last one.
#[derive(Clone)]
pub(super) struct Thread {
    jobs: mpsc::Sender<Job>,
}

impl Thread {
    /// Nobody waits for longer than `longest`, but at the start. `connect` opens the database within the time that it is
    /// told, and again after an error that the connection may not survive.
    pub(super) fn spawn(
        longest: Duration,
        at_start: Duration,
        connect: impl Fn(Duration) -> Result<Connection, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("sqlite".into())
            .spawn(move || serve(&connect, longest, at_start, queue))?;
        Ok(Self { jobs })
    }

    /// Does something on the thread. An error of a write takes back nothing that others do in the same transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let run = move |connection: Result<&Connection, StoreError>| -> Finish {
            // The caller has given up.
            if sender.is_closed() {
                return Box::new(|_| {});
            }
            let result = connection.and_then(run);
            Box::new(move |committed| {
                let result = result.and_then(|value| committed.clone().map(|()| value));
                let _ = sender.send(result);
            })
        };
        let job = Job {
            work,
            run: Box::new(run),
        };
        let ended = |_| StoreError::NotServing("the thread of the database has ended".into());
        self.jobs.send(job).await.map_err(|_| ended(()))?;
        answer.await.map_err(|_| ended(()))?
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thread").finish_non_exhaustive()
    }
}

fn serve(
    connect: &dyn Fn(Duration) -> Result<Connection, StoreError>,
    longest: Duration,
    at_start: Duration,
    mut queue: mpsc::Receiver<Job>,
) {
    let mut connection = None;
    let mut patience = at_start;
    let mut batch = Vec::new();
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let opened = match connection.take() {
            Some(opened) => Ok(opened),
            None => connect(patience),
        };
        patience = longest;
        match opened {
            Ok(opened) => {
                let end = Instant::now() + longest;
                // A statement that runs for longer is ended, so that the next ones have their turn.
                let limited = opened.progress_handler(10_000, Some(move || Instant::now() >= end));
                if limited.is_ok() && do_all(&opened, &mut batch).is_ok() {
                    connection = Some(opened);
                }
            }
            Err(error) => fail(&error, batch.drain(..)),
        }
    }
}

/// Does a batch. An error means that the connection is to be opened again.
fn do_all(connection: &Connection, batch: &mut Vec<Job>) -> Result<(), StoreError> {
    if batch.iter().all(|job| job.work == Work::Read) {
        finish(run_all(connection, batch.drain(..), false), &Ok(()));
        return Ok(());
    }
    if let Err(found) = connection.execute_batch("BEGIN IMMEDIATE") {
        let is_locked = is_locked(&found);
        let failure = error(found);
        // What only reads need not fail as well.
        let (reads, writes): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|job| job.work == Work::Read);
        fail(&failure, writes);
        finish(run_all(connection, reads, false), &Ok(()));
        return if is_locked { Ok(()) } else { Err(failure) };
    }
    let finishes = run_all(connection, batch.drain(..), true);
    let committed = if connection.is_autocommit() {
        Err(taken_back())
    } else {
        connection.execute_batch("COMMIT").map_err(error)
    };
    if committed.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    finish(finishes, &committed);
    committed
}

/// SQLite takes a transaction back by itself: when a disk is full, or a statement is interrupted.
fn run_all(
    connection: &Connection,
    jobs: impl IntoIterator<Item = Job>,
    in_transaction: bool,
) -> Vec<Finish> {
    let run = |job: Job| {
        let is_over = in_transaction && connection.is_autocommit();
        (job.run)(if is_over {
            Err(taken_back())
        } else {
            Ok(connection)
        })
    };
    jobs.into_iter().map(run).collect()
}

fn taken_back() -> StoreError {
    StoreError::NotServing("the transaction was taken back".into())
}

fn finish(finishes: Vec<Finish>, committed: &Result<(), StoreError>) {
    for finish in finishes {
        finish(committed);
    }
}

fn fail(error: &StoreError, jobs: impl IntoIterator<Item = Job>) {
    for job in jobs {
        (job.run)(Err(error.clone()))(&Ok(()));
    }
}
