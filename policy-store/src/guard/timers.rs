//! Timers for deadlines of one length, which are used again.
//!
//! A timer that rings before all others costs its runtime a system call when it is set: the runtime wakes itself up. One that
//! is set again for later does not. So a remote that answers in time costs one such call for each deadline's length, and not
//! one for each of its calls.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// Timers that nobody waits for now.
#[derive(Default)]
pub(super) struct Timers(Mutex<Vec<Timer>>);

/// A timer of a runtime, for the calls in that runtime.
pub(super) struct Timer {
    runtime: Id,
    pub(super) sleep: Pin<Box<Sleep>>,
}

impl Timers {
    /// A timer that rings after this time.
    pub(super) fn set(&self, time: Duration) -> Timer {
        let end = Instant::now() + time.min(LONGEST);
        let runtime = Handle::current().id();
        let mut unused = self.lock();
        let found = unused.iter().rposition(|timer| timer.runtime == runtime);
        let found = found.map(|index| unused.swap_remove(index));
        drop(unused);
        match found {
            Some(mut timer) => {
                timer.sleep.as_mut().reset(end);
                timer
            }
            None => Timer {
                runtime,
                sleep: Box::pin(sleep_until(end)),
            },
        }
    }

    /// Takes a timer back that nobody waits for any more.
    pub(super) fn keep(&self, timer: Timer) {
        let mut unused = self.lock();
        if unused.len() < MAX_UNUSED {
            unused.push(timer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Timer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}

/// As many calls as are under way at once, as a rule.
const MAX_UNUSED: usize = 64;
/// Far longer than any deadline.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_used_again_rings_after_its_new_time() {
        let timers = Timers::default();
        let begin = Instant::now();
        let mut first = timers.set(Duration::from_secs(1));
        // It is registered by that.
        assert!(poll_once(&mut first).await.is_pending());
        timers.keep(first);
        tokio::time::advance(Duration::from_millis(500)).await;
        let second = timers.set(Duration::from_secs(1));
        assert!(timers.lock().is_empty());
        second.sleep.await;
        assert_eq!(begin.elapsed(), Duration::from_millis(1500));
    }

    #[test]
    fn a_timer_is_used_in_its_runtime_alone() {
        let timers = Timers::default();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async {
                for _ in 0..2 {
                    let mut timer = timers.set(Duration::from_millis(1));
                    timer.sleep.as_mut().await;
                    timers.keep(timer);
                }
            });
        }
        assert_eq!(timers.lock().len(), 2);
    }

    async fn poll_once(timer: &mut Timer) -> Poll<()> {
        poll_fn(|cx| Poll::Ready(timer.sleep.as_mut().poll(cx))).await
    }
}
