//! A service with its counters, as the log names it.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use policy_daemon::log::printable;
use policy_flow::AttemptError;

use crate::options::Service;

/// A service with its counters.
#[derive(Debug)]
pub(super) struct Counted {
    /// Its number in this process: lines about it are the same line in each worker, whatever its place there is.
    pub(super) id: usize,
    pub(super) service: Service,
    /// As it is logged.
    pub(super) name: String,
    pub(super) answers: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Why it failed last.
    reason: Mutex<String>,
    /// Since when it has been up; `None` where it has never been down.
    up_since: Mutex<Option<Instant>>,
    /// It has answered with something else than UTF-8.
    pub(super) said_not_utf8: AtomicBool,
}

impl Counted {
    pub(super) fn new(service: Service) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            name: printable(&service.name),
            service,
            answers: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            reason: Mutex::default(),
            up_since: Mutex::default(),
            said_not_utf8: AtomicBool::new(false),
        }
    }

    /// The same service, of which something else is said by now. What was counted so far is counted on.
    pub(super) fn renewed(&self, service: Service) -> Self {
        let (answers, failed) = self.so_far();
        let up_since = *self.up_since.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            id: self.id,
            name: self.name.clone(),
            service,
            answers: answers.into(),
            failed: failed.into(),
            reason: Mutex::new(self.reason()),
            up_since: Mutex::new(up_since),
            said_not_utf8: self.said_not_utf8.load(Relaxed).into(),
        }
    }

    /// `'NAME' (ADDRESS)`.
    pub(super) fn place(&self) -> String {
        format!("'{}' ({})", self.name, self.service.address)
    }

    /// The numbers of its answers and of its failures.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.answers.load(Relaxed), self.failed.load(Relaxed))
    }

    /// Notes why it failed, in as few words as the system has for it.
    pub(super) fn set_reason(&self, error: &AttemptError) {
        let mut why = error as &dyn Error;
        while let Some(source) = why.source() {
            why = source;
        }
        let why = why.to_string();
        let words = why.split(" (os error").next().unwrap_or_default();
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        words.clone_into(&mut reason);
    }

    /// It is up again.
    pub(super) fn set_up(&self, now: Instant) {
        let mut since = self.up_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = Some(now);
    }

    /// Since when it has been up; `None` where it has never been down.
    pub(super) fn up_since(&self) -> Option<Instant> {
        *self.up_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it failed last.
    pub(super) fn reason(&self) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }
}

/// The number of the next service of this process.
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);
