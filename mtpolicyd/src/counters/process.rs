//! The counters of the process that no reload changes: sessions and reloads.

use policy_daemon::metrics::Counter;

use crate::session::SessionError;

/// The counters of the process.
#[derive(Debug, Default)]
pub(crate) struct ProcessCounters {
    sessions: [Counter; SESSIONS.len()],
    reloads: [Counter; RELOADS.len()],
}

impl ProcessCounters {
    /// A session was opened, or not.
    pub(crate) fn opened(&self, error: Option<&SessionError>) {
        count(
            &self.sessions,
            match error {
                None => 0,
                Some(SessionError::Busy(_)) => 1,
                Some(SessionError::Store(_)) => 2,
            },
        );
    }

    /// A session could not be kept.
    pub(crate) fn lost(&self) {
        count(&self.sessions, 3);
    }

    /// The configuration was read again.
    pub(crate) fn reloaded(&self, is_done: bool) {
        count(&self.reloads, usize::from(!is_done));
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        SESSIONS
            .into_iter()
            .zip(self.sessions.iter().map(Counter::get))
    }

    pub(crate) fn reloads(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RELOADS
            .into_iter()
            .zip(self.reloads.iter().map(Counter::get))
    }
}

fn count(counters: &[Counter], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.add(1);
    }
}

const SESSIONS: [&str; 4] = ["opened", "busy", "failed", "lost"];
const RELOADS: [&str; 2] = ["done", "refused"];
