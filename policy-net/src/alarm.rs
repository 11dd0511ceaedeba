use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// A connection's one timer. It is set only when something has to be waited for, and moved rather
/// than set anew: to a later time, as from one request to the next, it costs nothing until the earlier
/// one has come.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when it is `until`, which is never if there is none. To be polled only after what it
    /// guards was found not to be ready.
    pub(crate) fn poll(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = until else {
            return Poll::Pending;
        };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        // One that is set to an earlier time, as from one request to the next, is moved when that has come.
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// The same for something that is waited for now, for the first time if there is no `until`.
    pub(crate) fn poll_within(
        &mut self,
        until: &mut Option<Instant>,
        within: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if until.is_none() {
            // Too long for the clock is for ever.
            *until = within.and_then(|within| Instant::now().checked_add(within));
        }
        self.poll(*until, cx)
    }
}

/// What comes of a future until then; no time is for ever. With a timer of its own, but without an
/// allocation.
pub(crate) async fn before<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_when_it_is_to_whatever_it_was_set_to_before() {
        let begin = Instant::now();
        let mut alarm = Alarm::default();
        let mut elapsed = Duration::ZERO;
        // Set to some time, and then to another one; while it waits for that, or when both are over.
        for (first, then) in [(5, 5), (5, 8), (5, 3), (20, 7), (1, 100), (100, 1)] {
            let [first, then] =
                [first, then].map(|after| begin + elapsed + Duration::from_secs(after));
            assert!(
                poll_fn(|cx| Poll::Ready(alarm.poll(Some(first), cx)))
                    .await
                    .is_pending()
            );
            poll_fn(|cx| alarm.poll(Some(then), cx)).await;
            elapsed = begin.elapsed();
            assert_eq!(Instant::now(), then);
            poll_fn(|cx| alarm.poll(Some(then), cx)).await;
            assert!(
                poll_fn(|cx| Poll::Ready(alarm.poll(None, cx)))
                    .await
                    .is_pending(),
                "never"
            );
        }
    }
}
