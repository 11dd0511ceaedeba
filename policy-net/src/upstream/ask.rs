//! One request's way through an [`Upstream`], as a future.

use std::{future::poll_fn, mem, task::Poll};

use policy_flow::{Answer, Stick};
use policy_proto::Request;

use super::{Connect, Event, Exhausted, Upstream, driver::Waiter, machine::Inner};

impl<C: Connect> Upstream<C> {
    /// Asks one backend after the other until one has answered, at the latest until the deadline.
    ///
    /// Each attempt has the smaller of its backend's timeout and of a fair share of what is left,
    /// at least 5 s, so that the backends behind it have their turn: see
    /// [`attempt_limit`](crate::attempt_limit). When only backends are left that are down and not due
    /// for a trial, then what they take together is bounded by
    /// [`last_resort`](crate::UpstreamOptions::last_resort).
    ///
    /// A connection that was kept and fails before a byte of an answer is replaced by a new one,
    /// once and within the same attempt: as a rule the server closed it while it was idle. Nobody is
    /// blamed. Whether the server had read the request by then can be known in some cases only, and
    /// with [`Retry::Unsent`](crate::Retry::Unsent) it is done in those.
    ///
    /// It is not cancel safe: the request is given up when the returned future is dropped, and its connection closed.
    /// Requests that belong together are asked by a [`Session`](crate::Session).
    ///
    /// # Errors
    ///
    /// [`Exhausted`], with what each backend that was asked did.
    pub fn ask(&self, request: &Request) -> impl Future<Output = Result<Answer, Exhausted>> {
        self.ask_with(request, None, |_| {})
    }

    /// Asks, and tells what happens on the way: `on_event` is called by the task that polls the returned future, soon
    /// after something has happened. `stick` is `None` unless the request belongs to others: then what
    /// [`Answer::stick`] of the last one says.
    ///
    /// # Errors
    ///
    /// As for [`ask`](Self::ask).
    pub fn ask_with(
        &self,
        request: &Request,
        stick: Option<Stick>,
        mut on_event: impl FnMut(Event),
    ) -> impl Future<Output = Result<Answer, Exhausted>> {
        let mut asking = Asking {
            upstream: &self.inner,
            waiter: None,
        };
        poll_fn(move |cx| {
            let waiter = match asking.waiter {
                Some(waiter) => waiter,
                None => asking.begin(request, stick),
            };
            let (events, done, _old) = asking.upstream.look(|_, driver| {
                let Some(waiter) = driver.waiters.get_mut(waiter) else {
                    return Default::default();
                };
                let events = mem::take(&mut waiter.events);
                let done = waiter.done.take();
                // Its old waker is dropped where nothing is locked.
                let old = waiter.waker.replace(cx.waker().clone());
                (events, done, old)
            });
            events.into_iter().for_each(&mut on_event);
            match done {
                Some(done) => Poll::Ready(done),
                None => Poll::Pending,
            }
        })
    }
}

/// A request that is asked, until it is dropped.
struct Asking<'a, C: Connect> {
    upstream: &'a Inner<C>,
    waiter: Option<usize>,
}

impl<C: Connect> Asking<'_, C> {
    fn begin(&mut self, request: &Request, stick: Option<Stick>) -> usize {
        let request = request.clone();
        let waiter = self.upstream.with(|flow, driver| {
            let waiter = driver.waiters.insert(Waiter::default());
            let ask = flow.ask(request, stick, waiter as u64, driver);
            if let Some(waiter) = driver.waiters.get_mut(waiter) {
                waiter.ask = Some(ask);
            }
            waiter
        });
        self.waiter = Some(waiter);
        waiter
    }
}

impl<C: Connect> Drop for Asking<'_, C> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else {
            return;
        };
        let upstream = self.upstream;
        let waiter = upstream.look(|_, driver| driver.waiters.remove(waiter));
        // It is given up. One that is done with is not known any more.
        if let Some(Waiter {
            ask: Some(ask),
            is_done: false,
            ..
        }) = waiter
        {
            upstream.with(|flow, driver| flow.cancel(ask, driver));
        }
    }
}
