//! A breaker: closed, open (answers at once), or trying; its state can be watched.

use std::{fmt, sync::Arc};

use tokio::{sync::watch, time::Instant};

use super::calls::{Calls, Counters};
use crate::StoreError;

/// Whether a remote is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// The remote is asked.
    Closed,
    /// The remote is away: calls fail at once, until a trial in the background succeeds.
    Open,
    /// Calls are refused, while a trial is under way.
    Trying,
}

/// A breaker's state, since when, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// The state.
    pub state: BreakerState,
    /// When it was closed or opened last. A trial does not change it.
    pub since: Instant,
    /// The last failure, while the breaker is not closed.
    pub error: Option<Arc<str>>,
    /// How many calls in a row have failed.
    failures: u32,
}

/// The state of one remote. Clones show the same one.
#[derive(Clone)]
pub struct Breaker {
    name: Arc<str>,
    limit: u32,
    status: Arc<watch::Sender<BreakerStatus>>,
    calls: Arc<Counters>,
}

impl Breaker {
    pub(crate) fn new(name: String, limit: u32) -> Self {
        let status = BreakerStatus {
            state: BreakerState::Closed,
            since: Instant::now(),
            error: None,
            failures: 0,
        };
        Self {
            name: name.into(),
            limit: limit.max(1),
            status: Arc::new(watch::Sender::new(status)),
            calls: Arc::default(),
        }
    }

    /// The remote's name, for a log or a metric: its kind and address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The status now.
    pub fn status(&self) -> BreakerStatus {
        self.status.borrow().clone()
    }

    /// The state now.
    pub fn state(&self) -> BreakerState {
        self.status.borrow().state
    }

    /// How many calls of the remote ended how.
    pub fn calls(&self) -> Calls {
        self.calls.get()
    }

    pub(crate) fn count_refusal(&self) {
        self.calls.refused();
    }

    /// Tells of each change of the state.
    pub fn watch(&self) -> watch::Receiver<BreakerStatus> {
        self.status.subscribe()
    }

    /// The error of a call that is not to be made, or none.
    pub(crate) fn refusal(&self) -> Option<StoreError> {
        let status = self.status.borrow();
        if status.state == BreakerState::Closed {
            return None;
        }
        Some(StoreError::Away(
            status.error.clone().unwrap_or_else(|| "".into()),
        ))
    }

    /// Takes note of how a call ended.
    pub(crate) fn record(&self, error: Option<&StoreError>) {
        self.calls.ended(error);
        // Most calls change nothing: no lock for writing.
        let outage = error.filter(|error| error.is_outage());
        if outage.is_none() && self.status.borrow().failures == 0 {
            return;
        }
        self.status.send_if_modified(|status| {
            // A call that began before the breaker opened proves nothing; the trial does.
            if status.state != BreakerState::Closed {
                return false;
            }
            let Some(error) = outage else {
                status.failures = 0;
                return false;
            };
            status.failures += 1;
            if status.failures < self.limit {
                return false;
            }
            status.state = BreakerState::Open;
            status.since = Instant::now();
            status.error = Some(error.reason());
            true
        });
    }

    pub(crate) fn begin_trial(&self) {
        self.change(BreakerState::Open, BreakerState::Trying);
    }

    /// True if the remote is back.
    pub(crate) fn end_trial(&self, error: Option<StoreError>) -> bool {
        // A refusal is an answer.
        let outage = error.filter(StoreError::is_outage);
        self.status.send_modify(|status| match &outage {
            None => {
                status.state = BreakerState::Closed;
                status.since = Instant::now();
                status.error = None;
                status.failures = 0;
            }
            Some(error) => {
                status.state = BreakerState::Open;
                status.error = Some(error.reason());
            }
        });
        outage.is_none()
    }

    pub(crate) fn abandon_trial(&self) {
        self.change(BreakerState::Trying, BreakerState::Open);
    }

    fn change(&self, from: BreakerState, to: BreakerState) {
        self.status.send_if_modified(|status| {
            let changes = status.state == from;
            if changes {
                status.state = to;
            }
            changes
        });
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.borrow();
        formatter
            .debug_struct("Breaker")
            .field("name", &self.name)
            .field("state", &status.state)
            .field("error", &status.error)
            .finish()
    }
}
