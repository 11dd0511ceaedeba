//! A service with its counters, as the log names it.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use policy_daemon::log::printable;
use policy_flow::AttemptError;

use crate::args::Service;

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
            said_not_utf8: AtomicBool::new(false),
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

    /// Why it failed last.
    pub(super) fn reason(&self) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }
}

/// The number of the next service of this process.
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);
