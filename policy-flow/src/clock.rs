//! Time as the state machine counts it: eight bytes, and a comparison of one instruction.

use std::time::{Duration, Instant};

/// A moment, in nanoseconds since the machine was made.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Time(u64);

impl Time {
    /// When the machine was made.
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// This much later; [`NEVER`](Self::NEVER) if the clock does not go so far.
    pub(crate) fn after(self, time: impl Into<Span>) -> Self {
        Self(self.0.saturating_add(time.into().0))
    }

    /// How long it is since then; nothing if that is later.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        self.span_since(earlier).duration()
    }

    /// The same, to compute with.
    pub(crate) const fn span_since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in nanoseconds. A `Duration` is two numbers, and each request adds and compares some.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// One of so many equal parts.
    pub(crate) fn part(self, of: usize) -> Self {
        match u64::try_from(of) {
            // A division takes long, and there is one backend left, or two, as a rule.
            Ok(0 | 1) => self,
            Ok(2) => Self(self.0 / 2),
            Ok(of) => Self(self.0 / of),
            Err(_) => Self::ZERO,
        }
    }
}

impl From<Duration> for Span {
    /// Five hundred years stand for all that is longer.
    fn from(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The moment at which everything happens until it is set again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begin: Instant,
    pub(crate) instant: Instant,
    pub(crate) now: Time,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            begin: now,
            instant: now,
            now: Time(0),
        }
    }

    /// It never goes back.
    pub(crate) fn set(&mut self, now: Instant) {
        if now > self.instant {
            self.instant = now;
            self.now = Time(0).after(now.saturating_duration_since(self.begin));
        }
    }

    /// The moment for the caller's clock; `None` for never.
    pub(crate) fn instant_of(&self, time: Time) -> Option<Instant> {
        match time {
            Time::NEVER => None,
            time => self.begin.checked_add(Duration::from_nanos(time.0)),
        }
    }

    /// What the caller's clock said at a moment that has passed.
    pub(crate) fn past(&self, time: Time) -> Instant {
        self.instant_of(time)
            .map_or(self.instant, |then| then.min(self.instant))
    }
}
