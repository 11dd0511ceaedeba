//! The state of the connections: that one is away, and that it is back, is said once in the log, at each level.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use policy_daemon::log::Level;
use policy_store::BreakerState;

use crate::{connection::Connections, journal::Journal};

/// The servers that are away, as far as has been said.
#[derive(Debug, Default)]
pub(super) struct ConnectionStates(Mutex<HashSet<String>>);

impl ConnectionStates {
    /// Says what has changed since it was called last.
    pub(super) fn say_changes(&self, connections: &Connections, journal: &Journal) {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, breaker) in connections.breakers() {
            let status = breaker.status();
            let key = format!("{name} {}", breaker.name());
            if status.state == BreakerState::Closed {
                if away.remove(&key) {
                    let text = format!("connection {name} is back");
                    journal.changes().add(&*text);
                    journal.log().line(Level::Info, text);
                }
            } else if away.insert(key) {
                let reason = status.error.unwrap_or_default();
                let text =
                    format!("connection {name} is away, and is tried in the background: {reason}");
                journal.line(0, &text);
                journal.changes().add(text);
            }
        }
    }
}
