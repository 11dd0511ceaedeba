//! The connection to a server that all calls share, made again when it is of no use.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, task::AbortHandle, time::Instant};

use crate::StoreError;

/// How long an unused connection is kept. A firewall may forget one that is unused for longer without a word.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(60);

/// A connection with the task that sends and reads for it. The last clone ends the task.
#[derive(Clone, Debug)]
pub(crate) struct Driven<C> {
    pub(crate) connection: C,
    task: Arc<Task>,
}

#[derive(Debug)]
struct Task(AbortHandle);

impl<C> Driven<C> {
    pub(crate) fn new(connection: C, drive: impl Future<Output = ()> + Send + 'static) -> Self {
        let task = Task(tokio::spawn(drive).abort_handle());
        Self {
            connection,
            task: Arc::new(task),
        }
    }

    /// Whether the task is gone: the server has closed, or the task's runtime has ended.
    fn has_ended(&self) -> bool {
        self.task.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The connection, of which each call has a clone.
pub(crate) struct Shared<C> {
    deadline: Duration,
    /// The call that connects has it; the others wait, within their own deadlines.
    current: Mutex<Current<C>>,
    /// The number of the last connection that is of no use: it has ended, or a call waited too long for it and its server may
    /// be gone without a word.
    bad: AtomicU64,
}

struct Current<C> {
    /// How many were made: the number of the last one.
    made: u64,
    /// The last one, and when a call took it last.
    last: Option<(Driven<C>, Instant)>,
}

impl<C: Clone> Shared<C> {
    /// `deadline` is that of a call.
    pub(crate) fn new(deadline: Duration) -> Self {
        let current = Current {
            made: 0,
            last: None,
        };
        Self {
            deadline,
            current: Mutex::new(current),
            bad: AtomicU64::new(0),
        }
    }

    /// Gives the connection, which is made if there is none that is of use.
    pub(crate) async fn take<F>(
        &self,
        connect: impl FnOnce() -> F,
    ) -> Result<Use<'_, C>, StoreError>
    where
        F: Future<Output = Result<Driven<C>, StoreError>>,
    {
        let mut current = self.current.lock().await;
        let current = &mut *current;
        let begin = Instant::now();
        let is_good = current.made > self.bad.load(Ordering::Relaxed);
        let kept = current.last.as_mut().filter(|(connection, used)| {
            is_good && !connection.has_ended() && begin.saturating_duration_since(*used) < MAX_IDLE
        });
        if let Some((connection, used)) = kept {
            *used = begin;
            return Ok(self.use_of(connection.clone(), current.made, false));
        }
        // What others still wait for over the old one comes, or does not.
        current.last = None;
        let connection = connect().await?;
        current.made += 1;
        current.last = Some((connection.clone(), Instant::now()));
        Ok(self.use_of(connection, current.made, true))
    }

    fn use_of(&self, driven: Driven<C>, number: u64, is_new: bool) -> Use<'_, C> {
        Use {
            connection: driven.connection,
            _task: driven.task,
            is_new,
            number,
            begin: Instant::now(),
            has_ended: false,
            deadline: self.deadline,
            bad: &self.bad,
        }
    }
}

impl<C> fmt::Debug for Shared<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// One call's use of the connection. If it is given up after a good part of the deadline, the connection is of no use.
pub(crate) struct Use<'a, C> {
    pub(crate) connection: C,
    _task: Arc<Task>,
    /// Whether it was made for this call.
    pub(crate) is_new: bool,
    number: u64,
    begin: Instant,
    has_ended: bool,
    deadline: Duration,
    bad: &'a AtomicU64,
}

impl<C> Use<'_, C> {
    /// The call has an answer, or an error.
    pub(crate) fn ended(&mut self) {
        self.has_ended = true;
    }

    /// The connection is of no use any more. The next call has another one.
    pub(crate) fn is_bad(&self) {
        self.bad.fetch_max(self.number, Ordering::Relaxed);
    }
}

impl<C> Drop for Use<'_, C> {
    fn drop(&mut self) {
        if !self.has_ended && self.begin.elapsed() >= self.deadline / 2 {
            self.is_bad();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    async fn connected(number: u64) -> Result<Driven<u64>, StoreError> {
        Ok(Driven::new(number, pending()))
    }

    /// The number of the connection that a call has, each of which is made in no time.
    async fn taken(shared: &Shared<u64>, next: &mut u64) -> u64 {
        let connect = || {
            *next += 1;
            connected(*next)
        };
        let mut using = shared.take(connect).await.unwrap();
        using.ended();
        using.connection
    }

    #[tokio::test(start_paused = true)]
    async fn calls_share_a_connection_that_is_used() {
        let (shared, mut next) = (Shared::new(Duration::from_secs(1)), 0);
        for _ in 0..5 {
            assert_eq!(taken(&shared, &mut next).await, 1);
            tokio::time::advance(MAX_IDLE - Duration::from_millis(1)).await;
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(taken(&shared, &mut next).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_a_call_waited_too_long_for_is_made_again() {
        for (waited, number) in [(499, 1), (500, 2)] {
            let (shared, mut next) = (Shared::new(Duration::from_secs(1)), 0);
            assert_eq!(taken(&shared, &mut next).await, 1);
            let using = shared.take(|| connected(9)).await.unwrap();
            tokio::time::advance(Duration::from_millis(waited)).await;
            drop(using);
            assert_eq!(taken(&shared, &mut next).await, number, "{waited} ms");
        }
    }

    #[tokio::test]
    async fn what_an_old_connection_was_found_to_be_says_nothing_of_the_next() {
        let (shared, mut next) = (Shared::new(Duration::from_secs(1)), 0);
        let mut old = shared.take(|| connected(0)).await.unwrap();
        old.ended();
        old.is_bad();
        assert_eq!(taken(&shared, &mut next).await, 1);
        old.is_bad();
        assert_eq!(taken(&shared, &mut next).await, 1);
    }

    #[tokio::test]
    async fn one_that_has_ended_is_made_again() {
        let (shared, mut next) = (Shared::new(Duration::from_secs(1)), 0);
        let (end, ended) = tokio::sync::oneshot::channel();
        let ending = async { Ok(Driven::new(0, async { _ = ended.await })) };
        let mut using = shared.take(|| ending).await.unwrap();
        using.ended();
        assert_eq!(taken(&shared, &mut next).await, 0);
        end.send(()).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(taken(&shared, &mut next).await, 1);
    }

    #[tokio::test]
    async fn its_task_ends_with_the_last_one_that_has_it() {
        let (held, mut is_held) = tokio::sync::oneshot::channel::<()>();
        let one = Driven::new(0, async {
            pending::<()>().await;
            drop(held);
        });
        let other = one.clone();
        drop(one);
        tokio::task::yield_now().await;
        assert_eq!(is_held.try_recv(), Err(TryRecvError::Empty));
        drop(other);
        is_held.await.unwrap_err();
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_is_tried_again_by_the_next_call() {
        let (shared, mut next) = (Shared::<u64>::new(Duration::from_secs(1)), 0);
        let refused = || std::future::ready(Err(StoreError::NotServing("no".into())));
        assert!(shared.take(refused).await.is_err());
        assert_eq!(taken(&shared, &mut next).await, 1);
    }
}
