//! Services that all requests share: the resolver, the clock, the log and the manner of answering.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use policy_dns::{Answer, DnsCounts, DnsOptions, DnsResolver, Question, Resolver, Table};

use crate::{connection::Unwritten, journal::Journal};

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
    /// What is left out of what a request leads to.
    pub manner: Manner,
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
            manner: Manner::Serve,
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

/// How requests are answered, and what they lead to.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// All that the configuration says.
    #[default]
    Serve,
    /// `--dry-run`: plugins look up and count as usual, but the answer is `dunno`, nobody is banned, and nobody is told.
    DryRun,
    /// `--explain`: nothing changes anywhere; here is told what would.
    Explain(Unwritten),
}

impl Manner {
    /// Whether the world outside is to see nothing of a request.
    #[must_use]
    pub const fn is_rehearsal(&self) -> bool {
        !matches!(self, Self::Serve)
    }

    /// Whether nothing is to change, neither here nor elsewhere.
    #[must_use]
    pub const fn is_explanation(&self) -> bool {
        matches!(self, Self::Explain(_))
    }
}

/// Whom DNS is asked.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers, which a reload may replace.
    Servers(Arc<RwLock<DnsResolver>>),
    /// A table, for tests.
    Table(Arc<Table>),
}

impl Dns {
    /// The name servers of these options.
    #[must_use]
    pub fn servers(options: DnsOptions) -> Self {
        Self::Servers(Arc::new(RwLock::new(DnsResolver::new(options))))
    }

    /// From now on other name servers are asked; false where they are the same. Questions in progress keep theirs.
    pub fn replace(&self, options: DnsOptions) -> bool {
        let Self::Servers(servers) = self else {
            return false;
        };
        let mut servers = servers.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = *servers.options() != options;
        if is_other {
            *servers = DnsResolver::new(options);
        }
        is_other
    }

    /// How many questions had which outcome, and how many answers are kept.
    #[must_use]
    pub fn counts(&self) -> (DnsCounts, usize) {
        match self {
            Self::Servers(servers) => {
                let servers = servers.read().unwrap_or_else(PoisonError::into_inner);
                (servers.counts(), servers.cached())
            }
            Self::Table(_) => Default::default(),
        }
    }

    /// The addresses of the name servers.
    pub(crate) fn addresses(&self) -> String {
        let Self::Servers(servers) = self else {
            return String::new();
        };
        let servers = servers.read().unwrap_or_else(PoisonError::into_inner);
        let servers = servers.options().servers.iter();
        let addresses: Vec<_> = servers.map(|server| server.ip().to_string()).collect();
        addresses.join(", ")
    }

    /// Nobody: each name is unknown.
    #[must_use]
    pub fn none() -> Self {
        Self::Table(Arc::default())
    }
}

impl Resolver for Dns {
    async fn ask(&self, question: Question) -> Answer {
        match self {
            Self::Servers(servers) => {
                let resolver = servers
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                resolver.ask(question).await
            }
            Self::Table(table) => table.ask(question).await,
        }
    }
}
