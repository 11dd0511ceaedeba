use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A connection's one timer. It is set only when something has to be waited for, and moved rather
/// than set anew: moving it to a later time, as from one request to the next, costs next to nothing.
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
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
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
