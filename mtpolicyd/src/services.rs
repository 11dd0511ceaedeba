//! Services that all requests share: the resolver, the clock, the log and the manner of answering.

mod dns;
pub use dns::{Dns, NameServers};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
