//! A deadline around a resolver, for one request with all its questions.

use std::{pin::pin, sync::OnceLock};

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::{
    Answer, Outcome, Question, Resolver,
    end::{End, end_at},
};

/// A resolver that answers [`Outcome::Timeout`] from a deadline on; see [`Resolver::until`].
#[derive(Debug)]
pub struct Until<'a, R> {
    resolver: &'a R,
    deadline: Instant,
    /// When that is, for all questions.
    over: OnceLock<End>,
}

impl<'a, R> Until<'a, R> {
    pub(super) fn new(resolver: &'a R, deadline: Instant) -> Self {
        Self {
            resolver,
            deadline,
            over: OnceLock::new(),
        }
    }
}

impl<R: Resolver> Resolver for Until<'_, R> {
    async fn ask(&self, question: Question) -> Answer {
        // Time that is over is no time for an answer that happens to be at hand.
        if Instant::now() >= self.deadline {
            return Answer::without_records(Outcome::Timeout);
        }
        let over = self.over.get_or_init(|| end_at(self.deadline)).clone();
        match select(pin!(self.resolver.ask(question)), over).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Answer::without_records(Outcome::Timeout),
        }
    }
}
