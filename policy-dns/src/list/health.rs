//! The health of a list, shared by all that ask it.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{DeadZone, Failing, ListError, ListResult, Release, Skipped, breaker::Breaker};

/// The health of a list, as far as it is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// The list was not tested so far, or could not be. Checks ask it.
    Untested,
    /// The list has passed its test.
    Good,
    /// The list has failed its test, or given an answer that is none. Checks skip it until it passes a test.
    Failing(Failing),
    /// The list does not answer: after too many errors in a row checks skip it for a while.
    Skipped,
    /// The list is known to be dead, and never asked.
    Dead(&'static DeadZone),
}

/// The last test of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LastTest {
    /// When it had its outcome.
    pub at: Instant,
    /// The result.
    pub outcome: TestOutcome,
}

/// The result of a list's test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TestOutcome {
    /// The subject that has to be listed is, and the one that must not be is not.
    Passed,
    /// The list is not to be trusted.
    Failed(Failing),
    /// The list did not answer: it is trusted as it was before.
    NoAnswer,
}

impl fmt::Display for TestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(failing) => failing.fmt(f),
            Self::NoAnswer => f.write_str("no answer"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Health {
    dead: Option<&'static DeadZone>,
    has_test: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    failing: Option<Failing>,
    is_tested: bool,
    last_test: Option<LastTest>,
}

impl Health {
    pub(super) fn new(
        dead: Option<&'static DeadZone>,
        has_test: bool,
        skip_after: u32,
        release: Release,
    ) -> Self {
        let breaker = Breaker::new(skip_after, release);
        Self {
            dead,
            has_test,
            state: Mutex::new(State {
                breaker,
                failing: None,
                is_tested: false,
                last_test: None,
            }),
        }
    }

    pub(super) fn status(&self) -> Status {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.dead, state.failing) {
            (Some(dead), _) => Status::Dead(dead),
            (None, Some(failing)) => Status::Failing(failing),
            _ if state.breaker.is_open() => Status::Skipped,
            _ if state.is_tested => Status::Good,
            _ => Status::Untested,
        }
    }

    pub(super) fn last_test(&self) -> Option<LastTest> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_test
    }

    /// Leave to ask, or why not.
    pub(super) fn admit(&self) -> Result<Permit<'_>, Skipped> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.dead, state.failing) {
            (Some(_), _) => Err(Skipped::Dead),
            (None, Some(failing)) => Err(Skipped::Failing(failing)),
            _ if state.breaker.admits(Instant::now()) => Ok(Permit { health: self }),
            _ => Err(Skipped::Errors),
        }
    }

    pub(super) fn forget_errors(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.breaker.answered();
    }

    /// Takes the outcome of a test: passed, failed, or none if the list did not answer.
    pub(super) fn tested(&self, outcome: Option<Result<(), Failing>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_test = Some(LastTest {
            at: Instant::now(),
            outcome: match outcome {
                Some(Ok(())) => TestOutcome::Passed,
                Some(Err(failing)) => TestOutcome::Failed(failing),
                None => TestOutcome::NoAnswer,
            },
        });
        let Some(outcome) = outcome else { return };
        state.failing = outcome.err();
        state.is_tested = true;
        if outcome.is_ok() {
            state.breaker.answered();
        }
    }
}

/// Leave to ask a list.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    health: &'a Health,
}

impl Permit<'_> {
    /// Reports the result of asking the list.
    pub(super) fn report(self, result: &ListResult) {
        let mut state = self
            .health
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match result {
            ListResult::Error(error) => {
                state.breaker.failed(Instant::now());
                // Only a test brings back a list that fails.
                if let ListError::Outside(code) = error
                    && self.health.has_test
                {
                    state.failing = Some(Failing::Outside(*code));
                }
            }
            _ => state.breaker.answered(),
        }
    }
}
