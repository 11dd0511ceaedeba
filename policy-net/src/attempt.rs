//! One attempt: one service is asked, over a connection that was kept or over a new one.

use std::time::Duration;

use policy_ha::BackendId;
use policy_proto::{Request, Response};
use tokio::time::Instant;

use crate::{
    AttemptError, Connect, Event, Lease, Retry, Upstream, alarm::before, client::no_answer,
    upstream::Member,
};

pub(crate) struct Attempt<'a, C: Connect> {
    pub(crate) upstream: &'a Upstream<C>,
    pub(crate) backend: BackendId,
    pub(crate) member: &'a Member<C>,
    pub(crate) request: &'a Request,
    pub(crate) began: Instant,
    /// When it ends at the latest; never if the clock does not go so far.
    pub(crate) until: Option<Instant>,
    /// When its wait for a connection ends at the latest.
    pub(crate) wait_until: Option<Instant>,
}

impl<C: Connect> Attempt<'_, C> {
    /// The answer. The lease is the caller's, who may want to know how far a failed attempt came.
    pub(crate) async fn run(
        &self,
        lease: &mut Option<Lease<C>>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        // The way of nearly all requests: two system calls, no allocation, no timer of its own.
        let (pool, asker) = (&self.member.pool, self.upstream.asker());
        let place = pool.lease_for(asker, self.began, self.wait_until).await?;
        let lease = lease.insert(place);
        if lease.is_reused() {
            match lease.ask_within(self.request, self.within()).await {
                Err(error) if self.is_to_be_repeated(lease, &error) => {}
                answer => return answer,
            }
        }
        // In memory of its own: it is rare, and would make all others larger.
        Box::pin(self.anew(lease, on_event)).await
    }

    /// Whether a connection that was kept is to be replaced by a new one. The server may close it at any
    /// time: that is nobody's fault, and a new one shows whether it is still there.
    fn is_to_be_repeated(&self, lease: &Lease<C>, error: &AttemptError) -> bool {
        let again = self.upstream.shared.options.retry == Retry::Always || lease.unsent(error);
        again && lease.was_closed(error)
    }

    fn within(&self) -> Option<(Instant, Instant)> {
        self.until.map(|until| (self.began, until))
    }

    async fn anew(
        &self,
        lease: &mut Lease<C>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Response, AttemptError> {
        on_event(Event::Opening(self.backend));
        // The clock is read anew: addresses share what is left, so it has to be right.
        let left = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        let connect = self.upstream.shared.options.connect;
        let within = [connect, left].into_iter().flatten().min();
        lease.open(within.unwrap_or(Duration::MAX)).await?;
        on_event(Event::Connected(self.backend));
        let answer = before(self.until, lease.ask(self.request)).await;
        answer.unwrap_or_else(|| Err(lease.timed_out(no_answer(self.within()))))
    }
}
