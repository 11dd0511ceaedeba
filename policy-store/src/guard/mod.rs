//! The deadline and the breaker around each call to a remote.

mod breaker;
mod calls;
mod timers;

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::unconstrained,
    time::{Instant, sleep},
};

use self::timers::Timers;
pub use self::{
    breaker::{Breaker, BreakerState, BreakerStatus},
    calls::Calls,
};
use crate::{StoreError, wall_clock::millis};

/// How long a remote may take, and what is done when it is away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// How long a call may take in all, connecting included. 1 s: a request waits for several of them, and Postfix for
    /// the request.
    pub deadline: Duration,
    /// After how many calls in a row that failed the breaker opens. 3: a restart closes one connection, or two. A call
    /// that its caller drops after half the deadline has failed; one that is dropped earlier says nothing.
    pub failures: u32,
    /// How long after that the remote is tried for the first time; twice as long after each trial that fails. 250 ms;
    /// less than 10 ms counts as that.
    pub retry_min: Duration,
    /// The longest wait between two trials. 2 s: a trial is one small question.
    pub retry_max: Duration,
}

impl RemoteOptions {
    /// The deadline as libraries and servers can be told it: they keep it in 32 bits.
    #[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
    pub(crate) fn deadline_to_tell(&self) -> Duration {
        self.deadline.min(Duration::from_secs(86_400))
    }
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            failures: 3,
            retry_min: Duration::from_millis(250),
            retry_max: Duration::from_secs(2),
        }
    }
}

/// Without any wait a task would do nothing else than try.
const MIN_RETRY: Duration = Duration::from_millis(10);

/// One question that shows whether the remote is back.
pub(crate) type Probe =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync>;

/// The guard that each call to one remote goes through.
pub(crate) struct Guard {
    breaker: Breaker,
    options: RemoteOptions,
    timers: Timers,
    probe: Probe,
    /// Whether a task tries the remote. Its runtime may end before it does.
    trying: AtomicBool,
    this: Weak<Self>,
}

impl Guard {
    /// `name` is shown: it holds no password.
    pub(crate) fn new(name: String, options: RemoteOptions, probe: Probe) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            breaker: Breaker::new(name, options.failures),
            options,
            timers: Timers::default(),
            probe,
            trying: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Does the work, no longer than until the deadline, unless the breaker is open. A caller that gives the call up after
    /// half the deadline has waited for nothing, too.
    pub(crate) fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.make(work, true)
    }

    /// As `call`, for a question about the remote itself: an answer does not show that it does what it is there for.
    #[cfg(feature = "redis")]
    pub(crate) fn inquire<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.make(work, false)
    }

    async fn make<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
        is_proof: bool,
    ) -> Result<T, StoreError> {
        self.check()?;
        let mut call = Call::begin(self);
        // In one place: each future that it is moved into would be larger by all of it.
        let result = self.in_time(pin!(work)).await;
        match &result {
            Ok(_) if !is_proof => call.has_ended = true,
            ended => call.end(ended.as_ref().err()),
        }
        result
    }

    /// As `call`, for what a remote needs before its first call: it has no deadline but its own.
    #[cfg(feature = "sqlite")]
    pub(crate) async fn begin<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.check()?;
        let result = work.await.map_err(StoreError::shortened);
        self.record(result.as_ref().err());
        result
    }

    /// Refuses a call while the remote is away.
    fn check(&self) -> Result<(), StoreError> {
        let Some(error) = self.breaker.refusal() else {
            return Ok(());
        };
        self.breaker.count_refusal();
        self.keep_trying();
        Err(error)
    }

    /// Takes note of how a call ended.
    fn record(&self, error: Option<&StoreError>) {
        self.breaker.record(error);
        if self.breaker.refusal().is_some() {
            self.keep_trying();
        }
    }

    async fn in_time<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Result<T, StoreError> {
        let deadline = self.options.deadline;
        let mut timer = self.timers.set(deadline);
        let result = tokio::select! {
            biased;
            result = work => result.map_err(StoreError::shortened),
            // It rings also where the work uses up the task's turn each time.
            () = unconstrained(timer.sleep.as_mut()) => Err(StoreError::TimedOut(deadline)),
        };
        self.timers.keep(timer);
        result
    }

    /// Has a task try the remote until it answers, if none does yet.
    fn keep_trying(&self) {
        // A call may be dropped outside of a runtime; then the next call has a task try.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.trying.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(this) = self.this.upgrade() else {
            return;
        };
        let trial = Trial(Arc::downgrade(&this));
        let [mut wait, longest] =
            [self.options.retry_min, self.options.retry_max].map(|wait| wait.max(MIN_RETRY));
        runtime.spawn(async move {
            drop(this);
            loop {
                sleep(wait).await;
                wait = wait.saturating_mul(2).min(longest);
                // The user of the remote is gone.
                let Some(guard) = trial.0.upgrade() else {
                    return;
                };
                guard.breaker.begin_trial();
                let result = guard.in_time(pin!((guard.probe)())).await;
                if guard.breaker.end_trial(result.err()) {
                    return;
                }
            }
        });
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.breaker.fmt(formatter)
    }
}

/// A call that has not ended. One that is dropped late counts as without an answer: a caller whose own deadline is the
/// shorter one would otherwise wait for a remote that hangs each time.
struct Call<'a> {
    guard: &'a Guard,
    begin: Instant,
    has_ended: bool,
}

impl<'a> Call<'a> {
    fn begin(guard: &'a Guard) -> Self {
        Self {
            guard,
            begin: Instant::now(),
            has_ended: false,
        }
    }

    fn end(&mut self, error: Option<&StoreError>) {
        self.has_ended = true;
        self.guard.record(error);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let waited = self.begin.elapsed();
        if waited >= self.guard.options.deadline / 2 {
            let waited = Duration::from_millis(millis(waited));
            self.guard.record(Some(&StoreError::TimedOut(waited)));
        }
    }
}

/// A task that tries the remote. If its runtime ends first, another call has another task try.
struct Trial(Weak<Guard>);

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(guard) = self.0.upgrade() {
            guard.breaker.abandon_trial();
            guard.trying.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
