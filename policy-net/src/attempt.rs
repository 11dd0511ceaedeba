//! One attempt: one service is asked, over a connection that was kept or over a new one.

use std::time::Duration;

use policy_ha::BackendId;
use policy_proto::{Request, Response};
use tokio::time::{Instant, timeout_at};

use crate::{AttemptError, Connect, Event, Lease, Retry, Upstream, upstream::Member};

pub(crate) struct Attempt<'a, C: Connect> {
    pub(crate) upstream: &'a Upstream<C>,
    pub(crate) backend: BackendId,
    pub(crate) member: &'a Member<C>,
    pub(crate) request: &'a Request,
    pub(crate) began: Instant,
    /// The longest that it may take in all.
    pub(crate) limit: Duration,
    /// The longest that it may wait for a connection.
    pub(crate) wait: Duration,
}

impl<C: Connect> Attempt<'_, C> {
    /// The answer. The lease is the caller's, who may want to know how far a failed attempt came.
    pub(crate) async fn run(
        &self,
        lease: &mut Option<Lease<C>>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        let until = self.began.checked_add(self.limit);
        // The way of nearly all requests: two system calls, no allocation, no timer of its own.
        let (pool, asker) = (&self.member.pool, self.upstream.asker());
        let place = pool.lease_for(asker, self.began, self.wait).await?;
        let lease = lease.insert(place);
        if lease.is_reused()
            && let Some(result) = self.reuse(lease, until).await
        {
            return result;
        }
        // In memory of its own: it is rare, and would make all others larger.
        let anew = Box::pin(self.anew(lease, until, on_event));
        match until {
            Some(until) => timeout_at(until, anew)
                .await
                .unwrap_or(Err(AttemptError::TimedOut)),
            None => anew.await,
        }
    }

    /// What came of asking over a connection that was kept; `None` if a new one is to be tried. The
    /// server may close it at any time: that is nobody's fault, and a new one shows whether it is still
    /// there.
    async fn reuse(
        &self,
        lease: &mut Lease<C>,
        until: Option<Instant>,
    ) -> Option<Result<Response, AttemptError>> {
        let error = match lease.ask_until(self.request, until).await {
            Ok(response) => return Some(Ok(response)),
            Err(error) => error,
        };
        let again = self.upstream.shared.options.retry == Retry::Always || lease.unsent(&error);
        (!again || !lease.was_closed(&error)).then_some(Err(error))
    }

    async fn anew(
        &self,
        lease: &mut Lease<C>,
        until: Option<Instant>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        on_event(Event::Opening(self.backend));
        // The clock is read anew: addresses share what is left, so it has to be right.
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let connect = self.upstream.shared.options.connect;
        let within = [connect, left].into_iter().flatten().min();
        lease.open(within.unwrap_or(Duration::MAX)).await?;
        on_event(Event::Connected(self.backend));
        lease.ask(self.request).await
    }
}
