//! The settings of a balancer: when a backend counts as down; and faults of a list of backends.

use std::{error::Error, fmt, time::Duration};

use crate::{Backend, bits::MAX_BACKENDS};

/// When a backend counts as down, how long it is left alone, and where the round robin starts.
///
/// The defaults are meant to be kept. The struct may grow, so that other crates start from them
/// and say what differs:
///
/// ```
/// use std::time::Duration;
///
/// use policy_ha::Config;
///
/// let config = Config::default()
///     .with_max_backoff(Duration::from_secs(30))
///     .with_seed(u64::from(std::process::id()));
/// assert_eq!(config.max_backoff, Duration::from_secs(30));
///
/// let defaults = Config::default();
/// assert_eq!((defaults.max_failures, defaults.seed), (1, 0));
/// assert_eq!(defaults.min_backoff, Duration::from_secs(1));
/// assert_eq!(defaults.max_backoff, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// How many failures in a row take a backend down, at least 1. Default: 1.
    ///
    /// *In a row* means: with no success observed between them. Failures of attempts that ran side
    /// by side count one by one: three requests that hang together say as much as three that hang
    /// one after the other, and waiting for the latter would cost three time-outs. A failure that
    /// does not count (see [the rule](crate#health)) neither adds to the row nor ends it.
    ///
    /// One is enough as a default, since a backend that is down wrongly costs nothing while another
    /// is up, and is asked all the same when none is. More may suit backends whose answers depend
    /// on state that the others lack.
    ///
    /// 0 is refused: a user who writes it most likely means "never", and 1 would be the opposite.
    pub max_failures: u32,
    /// The shortest time between going down and the first trial. Default: 1 second, long enough
    /// for the trials of a server that refuses connections to cost nothing, short enough for a
    /// restart to be noticed at once.
    ///
    /// Zero is allowed; a backend is then due at once unless its failure took time.
    pub min_backoff: Duration,
    /// Where the doubling of the time between trials ends. Default: 60 seconds, so that a server
    /// that was away for a night is back within little more than a minute.
    ///
    /// A first backoff that is longer, because the failure took longer or `min_backoff` says so,
    /// is kept as it is. Each time between trials is stretched by up to a quarter, after this
    /// limit was applied (see [the spread](crate#health)).
    pub max_backoff: Duration,
    /// Makes several processes, or machines, differ from each other: where each starts its round
    /// robin, to whom a request goes on that failed, and when a backend that is down is tried.
    /// Default: 0, which starts the round robin at its beginning. Keys know no seed: all processes
    /// agree on them.
    ///
    /// Any number will do that differs from process to process, for instance the process id. The
    /// same seed gives the same behaviour on every machine and in every release.
    pub seed: u64,
}

impl Config {
    /// Sets [`max_failures`](Self::max_failures).
    #[must_use]
    pub const fn with_max_failures(mut self, max_failures: u32) -> Self {
        self.max_failures = max_failures;
        self
    }

    /// Sets [`min_backoff`](Self::min_backoff).
    #[must_use]
    pub const fn with_min_backoff(mut self, min_backoff: Duration) -> Self {
        self.min_backoff = min_backoff;
        self
    }

    /// Sets [`max_backoff`](Self::max_backoff).
    #[must_use]
    pub const fn with_max_backoff(mut self, max_backoff: Duration) -> Self {
        self.max_backoff = max_backoff;
        self
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_failures: 1,
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// Why [`Balancer::new`](crate::Balancer::new) refused what it was given.
///
/// ```
/// use policy_ha::{Backend, Balancer, Config, ConfigError};
///
/// let refused = Balancer::new(Config::default(), [Backend::new(10, 1), Backend::new(10, 0)]);
/// let error = refused.unwrap_err();
/// assert_eq!(error, ConfigError::Weight { index: 1, weight: 0 });
/// assert_eq!(error.to_string(), "weight 0 of the backend at index 1 is not within 1 to 1000");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is nothing to choose from.
    NoBackends,
    /// There are more than [`Balancer::MAX_BACKENDS`](crate::Balancer::MAX_BACKENDS).
    TooManyBackends,
    /// The [weight](Backend::weight) of a backend is 0 or above [`Backend::MAX_WEIGHT`].
    Weight {
        /// Which backend, counted from 0.
        index: usize,
        /// The weight that was found.
        weight: u16,
    },
    /// Two backends have the same [key](Backend::key), or one has the place of another as its key:
    /// requests that go by hash could not tell them apart.
    Key {
        /// The second of the two, counted from 0.
        index: usize,
    },
    /// [`Config::max_failures`] is 0.
    MaxFailures,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBackends => f.write_str("there are no backends"),
            Self::TooManyBackends => {
                write!(f, "there are more than {MAX_BACKENDS} backends")
            }
            Self::Weight { index, weight } => write!(
                f,
                "weight {weight} of the backend at index {index} is not within 1 to {}",
                Backend::MAX_WEIGHT
            ),
            Self::Key { index } => {
                write!(
                    f,
                    "the backend at index {index} has the key of an earlier one"
                )
            }
            Self::MaxFailures => f.write_str("max_failures is 0, it must be at least 1"),
        }
    }
}

impl Error for ConfigError {}
