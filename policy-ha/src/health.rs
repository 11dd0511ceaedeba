//! The failover rule of one backend: two states, Up and Down, and when to try again.

use std::{
    mem,
    time::{Duration, Instant},
};

use crate::{Config, hash::hash};

/// How an attempt ended. A cancelled attempt has no outcome: nothing needs to be said about it.
///
/// What counts as success is the caller's to decide. For a policy server it is an answer, whatever
/// the answer says.
///
/// ```
/// use std::time::Duration;
///
/// use policy_ha::Outcome;
///
/// let timed_out = Outcome::Failure { took: Duration::from_secs(10) };
/// assert_ne!(timed_out, Outcome::Success);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The backend answered.
    Success,
    /// It did not, or not in time, or not in a way that can be used.
    Failure {
        /// The time from the start of the attempt, connecting included, to its failure. It decides
        /// how long the backend is left alone, and whether the failure counts at all.
        took: Duration,
    },
}

/// The change that an outcome brought: to be logged, once, by the caller.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use policy_ha::{Backend, Balancer, Config, Outcome, Transition};
///
/// fn line(name: &str, change: Transition) -> String {
///     match change {
///         Transition::Down { due_in, .. } => format!("{name} is down, next trial in {due_in:.1?}"),
///         Transition::Up { after, .. } => format!("{name} is up again after {after:.1?}"),
///         _ => format!("{name}: {change:?}"),
///     }
/// }
///
/// let mut balancer = Balancer::new(Config::default(), [Backend::default()])?;
/// let (id, now) = (balancer.ids().next().unwrap(), Instant::now());
/// balancer.observe(now, id, Outcome::Failure { took: Duration::ZERO });
/// let change = balancer.observe(now + Duration::from_secs(75), id, Outcome::Success);
/// assert_eq!(line("mx1", change.unwrap()), "mx1 is up again after 75.0s");
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// The backend went down.
    #[non_exhaustive]
    Down {
        /// How long until it is due for its first trial.
        due_in: Duration,
    },
    /// The backend came back.
    #[non_exhaustive]
    Up {
        /// How long it was down.
        after: Duration,
    },
}

/// Whether a backend is believed to answer.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use policy_ha::{Backend, Balancer, Config, Outcome, Status};
///
/// let mut balancer = Balancer::new(Config::default(), [Backend::default()])?;
/// let id = balancer.ids().next().unwrap();
/// assert_eq!(balancer.status(id), Status::Up);
///
/// let now = Instant::now();
/// balancer.observe(now, id, Outcome::Failure { took: Duration::ZERO });
/// let Status::Down { since, due } = balancer.status(id) else {
///     panic!("one failure takes it down");
/// };
/// assert_eq!(since, now);
/// assert!(due >= now + Duration::from_secs(1));
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// It gets its share of the requests.
    Up,
    /// It gets one request per backoff, and those that nobody else answered.
    Down {
        /// When it went down.
        since: Instant,
        /// From when on it may be tried again.
        due: Instant,
    },
}

/// The memory of one backend.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    state: State,
    /// When it answered last: a failure proves nothing if its attempt began before.
    answered: Option<Instant>,
    /// How often it went down.
    trips: u64,
    /// Makes the spread its own.
    key: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Up {
        failures: u32,
    },
    Down {
        since: Instant,
        due: Instant,
        /// The latest one, before the spread.
        backoff: Duration,
    },
}

impl Health {
    pub(crate) const fn new(key: u64) -> Self {
        Self {
            state: State::Up { failures: 0 },
            answered: None,
            trips: 0,
            key,
        }
    }

    /// The backend answered.
    pub(crate) fn succeeded(&mut self, now: Instant) -> Option<Transition> {
        // Observers may have read the clock in another order than they report.
        self.answered = self.answered.max(Some(now));
        match mem::replace(&mut self.state, State::Up { failures: 0 }) {
            State::Up { .. } => None,
            State::Down { since, .. } => Some(Transition::Up {
                after: now.saturating_duration_since(since),
            }),
        }
    }

    /// An attempt that began `took` ago failed.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        took: Duration,
        config: &Config,
    ) -> Option<Transition> {
        // `None` is a beginning before all time, and sorts like that.
        if now.checked_sub(took) < self.answered {
            return None;
        }
        match &mut self.state {
            State::Up { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < config.max_failures {
                    return None;
                }
                self.trips = self.trips.wrapping_add(1);
                let backoff = config.min_backoff.max(took);
                let due = later(now, self.spread(backoff));
                self.state = State::Down {
                    since: now,
                    due,
                    backoff,
                };
                Some(Transition::Down {
                    due_in: due.saturating_duration_since(now),
                })
            }
            State::Down { due, .. } => {
                *due = later(now, took).max(*due);
                None
            }
        }
    }

    /// A request was sent its way. If that is the trial that was due, the next one is scheduled
    /// here and now, so that nothing depends on how, or whether, this one ends.
    #[inline]
    pub(crate) fn handed_out(&mut self, now: Instant, config: &Config) {
        if let State::Down {
            since,
            due,
            backoff,
        } = self.state
            && due <= now
        {
            // A first backoff above the limit stays as it is.
            let backoff = backoff.max(backoff.saturating_mul(2).min(config.max_backoff));
            self.state = State::Down {
                since,
                due: later(now, self.spread(backoff)),
                backoff,
            };
        }
    }

    /// Changes when a trial is due, if the backend is down.
    pub(crate) const fn set_due(&mut self, then: Instant) {
        if let State::Down { due, .. } = &mut self.state {
            *due = then;
        }
    }

    /// When a trial is due, if the backend is down.
    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.state {
            State::Up { .. } => None,
            State::Down { due, .. } => Some(due),
        }
    }

    pub(crate) const fn status(&self) -> Status {
        match self.state {
            State::Up { .. } => Status::Up,
            State::Down { since, due, .. } => Status::Down { since, due },
        }
    }

    /// Stretches a backoff by a factor from 1 to below 1.25.
    ///
    /// The factor is kept for as long as the backend is down: processes that saw it go at the same
    /// moment then drift further apart with each trial, where new factors would average out.
    fn spread(&self, backoff: Duration) -> Duration {
        const STEPS: u32 = 1 << 16;
        let steps = (hash(self.key, self.trips) % u64::from(STEPS / 4)) as u32;
        backoff.saturating_add((backoff / STEPS).saturating_mul(steps))
    }
}

/// The saturating addition that `Instant` lacks. It has no last moment with a name either, so the
/// wait is halved until its end can be told.
fn later(now: Instant, mut wait: Duration) -> Instant {
    loop {
        match now.checked_add(wait) {
            Some(end) => return end,
            None => wait /= 2,
        }
    }
}

#[cfg(test)]
mod tests;
