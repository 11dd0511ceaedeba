//! The thread that has a database open: it does what waits in one transaction.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    error::{error, is_locked},
    opened::{Identity, Opened},
};
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
type Run = Box<dyn FnOnce(Result<&Opened, StoreError>) -> Finish + Send>;
type Finish = Box<dyn FnOnce(&Result<(), StoreError>)>;

struct Job {
    work: Work,
    run: Run,
}

/// What the thread is to do.
enum Order {
    Do(Job),
    /// Close the database, and say that it is done.
    Close(oneshot::Sender<()>),
}

/// Opens the database within a time, again and again.
type Connect = Arc<dyn Fn(Duration) -> Result<Opened, StoreError> + Send + Sync>;

/// A handle of the thread, which begins with the first call, and ends with the last handle.
#[derive(Clone)]
pub(super) struct Thread(Arc<Inner>);

struct Inner {
    connect: Connect,
    longest: Duration,
    at_start: Duration,
    jobs: OnceLock<mpsc::Sender<Order>>,
    starting: Mutex<()>,
    replaced: Arc<AtomicU64>,
}

impl Thread {
    /// Nobody waits for longer than `longest`, but at the start. `connect` opens the database within the time that it is
    /// told, and again after an error that the connection may not survive, and when the file is another one.
    pub(super) fn new(
        longest: Duration,
        at_start: Duration,
        connect: impl Fn(Duration) -> Result<Opened, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            connect: Arc::new(connect),
            longest,
            at_start,
            jobs: OnceLock::new(),
            starting: Mutex::new(()),
            replaced: Arc::default(),
        }))
    }

    /// How often the file was found to be another one.
    pub(super) fn replaced(&self) -> u64 {
        self.0.replaced.load(Relaxed)
    }

    fn jobs(&self) -> Result<&mpsc::Sender<Order>, StoreError> {
        let inner = &*self.0;
        if let Some(jobs) = inner.jobs.get() {
            return Ok(jobs);
        }
        let _starting = inner
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if inner.jobs.get().is_none() {
            let (jobs, queue) = mpsc::channel(QUEUE);
            let mut server = Server {
                connect: Arc::clone(&inner.connect),
                longest: inner.longest,
                patience: inner.at_start,
                replaced: Arc::clone(&inner.replaced),
                opened: None,
                before: None,
            };
            thread::Builder::new()
                .name("sqlite".into())
                .spawn(move || server.serve(queue))?;
            _ = inner.jobs.set(jobs);
        }
        inner.jobs.get().ok_or_else(ended)
    }

    /// Does something on the thread. An error of a write takes back nothing that others do in the same transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let run = move |connection: Result<&Opened, StoreError>| -> Finish {
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
        let order = Order::Do(job);
        self.jobs()?.send(order).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Closes the database after what waits already. What comes later opens it again.
    pub(super) async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        // Without a thread nothing is open.
        if let Some(jobs) = self.0.jobs.get()
            && jobs.send(Order::Close(sender)).await.is_ok()
        {
            _ = closed.await;
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thread").finish_non_exhaustive()
    }
}

fn ended() -> StoreError {
    StoreError::NotServing("the thread of the database has ended".into())
}

/// The thread's side.
struct Server {
    connect: Connect,
    longest: Duration,
    /// How long opening the database may take next.
    patience: Duration,
    replaced: Arc<AtomicU64>,
    opened: Option<Opened>,
    /// The file that was open before.
    before: Option<Identity>,
}

impl Server {
    fn serve(&mut self, mut queue: mpsc::Receiver<Order>) {
        let mut orders = Vec::new();
        let (mut batch, mut closing) = (Vec::new(), Vec::new());
        while queue.blocking_recv_many(&mut orders, MAX_BATCH) > 0 {
            for order in orders.drain(..) {
                match order {
                    Order::Do(job) => batch.push(job),
                    Order::Close(told) => closing.push(told),
                }
            }
            if !batch.is_empty() {
                self.serve_batch(&mut batch);
            }
            if !closing.is_empty() {
                self.close();
                closing.drain(..).for_each(|told| _ = told.send(()));
            }
        }
        self.close();
    }

    fn serve_batch(&mut self, batch: &mut Vec<Job>) {
        let mut opened = match self.opened() {
            Ok(opened) => opened,
            Err(error) => return fail(&error, batch.drain(..)),
        };
        let end = Instant::now() + self.longest;
        // A statement that runs for longer is ended, so that the next ones have their turn.
        let limited = opened.progress_handler(10_000, Some(move || Instant::now() >= end));
        let is_good = limited.is_ok() && do_all(&opened, batch).is_ok();
        opened.note_file();
        self.opened = Some(opened);
        if !is_good {
            self.close();
        }
    }

    /// The database, opened again where it has failed, or where its path leads to another file.
    fn opened(&mut self) -> Result<Opened, StoreError> {
        if let Some(mut opened) = self.opened.take() {
            if !opened.is_gone() {
                return Ok(opened);
            }
            self.before = opened.close();
        }
        if let Some(before) = &mut self.before {
            before.leave_if_gone();
        }
        let opened = (self.connect)(self.patience);
        self.patience = self.longest;
        let opened = opened?;
        if let Some(before) = self.before.take()
            && opened.is_other_than(&before)
        {
            self.replaced.fetch_add(1, Relaxed);
        }
        Ok(opened)
    }

    fn close(&mut self) {
        if let Some(opened) = self.opened.take() {
            self.before = opened.close();
        }
    }
}

/// Does a batch. An error means that the connection is to be opened again.
fn do_all(connection: &Opened, batch: &mut Vec<Job>) -> Result<(), StoreError> {
    if batch.iter().all(|job| job.work == Work::Read) {
        finish(run_all(connection, batch.drain(..), false), &Ok(()));
        return Ok(());
    }
    let begun = connection
        .check_writable()
        .map_err(|failure| (failure, false));
    let begun = begun.and_then(|()| {
        let begun = connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|found| {
            let is_locked = is_locked(&found);
            (error(found), is_locked)
        })
    });
    if let Err((failure, is_locked)) = begun {
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
    connection: &Opened,
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
