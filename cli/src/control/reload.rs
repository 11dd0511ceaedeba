//! `reload`: the configuration file is read again, as after SIGHUP, and its outcome is the answer.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_daemon::control::Done;
use rustix::process::{Signal, getpid, kill_process};

/// The outcomes of reloads. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
struct State {
    count: u64,
    /// Why the last one has changed nothing, if that is so.
    fault: Option<String>,
}

impl Reloads {
    /// One has ended, with a fault or without.
    pub(crate) fn ended(&self, fault: Option<String>) {
        let mut state = self.state();
        state.count += 1;
        state.fault = fault;
        self.0.changed.notify_all();
    }

    /// Has the main thread reload, and waits for the outcome.
    pub(super) fn ask(&self) -> Result<Done, String> {
        let before = self.state().count;
        let sent = kill_process(getpid(), Signal::HUP);
        sent.map_err(|error| format!("cannot signal the daemon: {error}"))?;
        let is_before = |state: &mut State| state.count == before;
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.state(), PATIENCE, is_before);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err("no outcome yet: the log will have it".to_owned());
        }
        match &state.fault {
            None => Ok(Done::changed("the configuration is reloaded")),
            Some(fault) => Err(fault.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No holder of the lock can panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Below the patience of who asks.
const PATIENCE: Duration = Duration::from_secs(8);
