//! A deadline around a resolver, for one request with all its questions.

use tokio::time::{Instant, timeout_at};

use super::{Answer, Outcome, Question, Resolver};

/// A resolver that answers [`Outcome::Timeout`] from a deadline on; see [`Resolver::until`].
#[derive(Debug)]
pub struct Until<'a, R> {
    resolver: &'a R,
    deadline: Instant,
}

impl<'a, R> Until<'a, R> {
    pub(super) fn new(resolver: &'a R, deadline: Instant) -> Self {
        Self { resolver, deadline }
    }
}

impl<R: Resolver> Resolver for Until<'_, R> {
    async fn ask(&self, question: Question) -> Answer {
        // Time that is over is no time for an answer that happens to be at hand.
        if Instant::now() >= self.deadline {
            return Answer::without_records(Outcome::Timeout);
        }
        match timeout_at(self.deadline, self.resolver.ask(question)).await {
            Ok(answer) => answer,
            Err(_) => Answer::without_records(Outcome::Timeout),
        }
    }
}
