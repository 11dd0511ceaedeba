//! A state machine's one timer: a task that sleeps until the machine wants to be rung, and is there only as long as it
//! does.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::yield_now,
    time::{Instant as TokioInstant, sleep_until},
};

/// A receiver of the timer's ring.
pub(crate) trait Ring: Send + Sync + 'static {
    /// Does what time brings, and sets the timer again.
    fn ring(&self);
}

/// The time on tokio's clock, which tests can pause, as state machines know it.
pub(crate) fn now() -> Instant {
    TokioInstant::now().into_std()
}

#[derive(Default)]
pub(crate) struct Timer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    at: Option<Instant>,
    /// There is a task.
    runs: bool,
    /// The machine is gone.
    ended: bool,
}

impl Timer {
    /// It rings then at the latest, if there is a runtime; a ring too many does no harm.
    pub(crate) fn set(&self, at: Option<Instant>, who: impl FnOnce() -> Weak<dyn Ring>) {
        let Some(at) = at else {
            return;
        };
        let mut state = self.0.lock();
        if state.runs && state.at.is_some_and(|set| set <= at) {
            return;
        }
        state.at = Some(at);
        if state.runs {
            drop(state);
            return self.0.changed.notify_one();
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        state.runs = true;
        drop(state);
        let task = Task {
            shared: Arc::clone(&self.0),
            who: who(),
        };
        runtime.spawn(task.run());
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Task {
    shared: Arc<Shared>,
    who: Weak<dyn Ring>,
}

impl Task {
    async fn run(self) {
        while let Some(at) = self.next() {
            tokio::select! {
                biased;
                () = self.shared.changed.notified() => continue,
                () = sleep_until(at.into()) => {}
            }
            // What has come in the same moment counts: the tasks that read it have their turn first.
            yield_now().await;
            let Some(who) = self.who.upgrade() else {
                return;
            };
            self.shared.lock().at = None;
            who.ring();
        }
    }

    fn next(&self) -> Option<Instant> {
        let mut state = self.shared.lock();
        let at = state.at.filter(|_| !state.ended);
        // Set from now on, it needs another task.
        state.runs = at.is_some();
        at
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Its runtime may have ended: who sets it next starts another one.
        self.shared.lock().runs = false;
    }
}
