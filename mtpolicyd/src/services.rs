//! Services that all requests share: the resolver, the clock, the log and the manner of answering.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use policy_dns::{Answer, DnsResolver, Question, Resolver, Table};

use crate::journal::Journal;

/// What all requests share.
#[derive(Clone, Debug)]
pub struct Services {
    /// Whom DNS is asked.
    pub dns: Dns,
    /// Whether everything is done as the original does it, even where that is harmful (`--compat`).
    pub compat: bool,
    /// The log.
    pub journal: Journal,
    /// The time that a clock shows that stands still, for tests; the system's clock goes on.
    pub clock: Option<SystemTime>,
    /// How far the clock is ahead of that. Zero, but in tests of what happens later.
    pub clock_offset: Duration,
}

impl Services {
    /// Services with this resolver, a log that is kept in memory, and a clock that stands still: for tests and examples.
    #[must_use]
    pub fn for_tests(dns: Dns) -> Self {
        Self {
            dns,
            compat: false,
            journal: Journal::buffered(),
            clock: Some(SystemTime::now()),
            clock_offset: Duration::ZERO,
        }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        let now = self.clock.unwrap_or_else(SystemTime::now) + self.clock_offset;
        now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

/// Whom DNS is asked.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers.
    Servers(DnsResolver),
    /// A table, for tests.
    Table(Arc<Table>),
}

impl Dns {
    /// Nobody: each name is unknown.
    #[must_use]
    pub fn none() -> Self {
        Self::Table(Arc::default())
    }
}

impl Resolver for Dns {
    async fn ask(&self, question: Question) -> Answer {
        match self {
            Self::Servers(resolver) => resolver.ask(question).await,
            Self::Table(table) => table.ask(question).await,
        }
    }
}
