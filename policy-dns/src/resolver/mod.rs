//! Questions and answers: the trait [`Resolver`] and what it speaks of.

mod answer;
#[cfg(feature = "hickory")]
mod dns;
mod end;
mod outcome;
mod record;
mod table;
mod until;

use std::{future::Future, sync::Arc};

use tokio::time::Instant;

pub use answer::Answer;
#[cfg(feature = "hickory")]
pub use dns::{DecodeError, Decoded, DnsCounts, DnsOptions, DnsResolver, ResolvConfError};
pub use outcome::Outcome;
pub use record::{Data, Question, Record, RecordType};
pub use table::{Fault, Found, Table, ZoneError};
pub use until::Until;

/// Something that answers DNS questions.
///
/// A resolver does not fail: what goes wrong is an [`Outcome`] of the answer. Dropping the future gives the
/// question up.
///
/// [`DnsResolver`](crate::DnsResolver) asks name servers, [`Table`] answers from a zone in text, for tests.
pub trait Resolver: Send + Sync {
    /// The answer to a question.
    fn ask(&self, question: Question) -> impl Future<Output = Answer> + Send;

    /// This resolver with a deadline for all that it is asked: after `deadline` the answer is
    /// [`Outcome::Timeout`]. For one request with all its questions.
    fn until(&self, deadline: Instant) -> Until<'_, Self>
    where
        Self: Sized,
    {
        Until::new(self, deadline)
    }
}

impl<R: Resolver> Resolver for &R {
    fn ask(&self, question: Question) -> impl Future<Output = Answer> + Send {
        (**self).ask(question)
    }
}

impl<R: Resolver> Resolver for Arc<R> {
    fn ask(&self, question: Question) -> impl Future<Output = Answer> + Send {
        (**self).ask(question)
    }
}
