//! The state of the connections: that one is away, and that it is back, is said once in the log, at each level, and so is that
//! a database file is another one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use policy_daemon::log::Level;
use policy_store::BreakerState;

use crate::{config::Config, connection::Connections, journal::Journal};

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct ConnectionStates {
    /// The servers and files that are away.
    away: Mutex<HashSet<String>>,
    /// How often each file was found to be another one.
    replaced: Mutex<HashMap<String, u64>>,
}

impl ConnectionStates {
    /// Says what has changed since it was called last.
    pub(super) fn say_changes(&self, config: &Config, journal: &Journal) {
        let connections = &config.connections;
        let mut away = lock(&self.away);
        for (name, breaker) in connections.breakers() {
            let status = breaker.status();
            let key = format!("{name} {}", breaker.name());
            if status.state == BreakerState::Closed {
                if away.remove(&key) {
                    let text = format!("connection {name} is back: {}", breaker.name());
                    journal.changes().add(&*text);
                    journal.log().line(Level::Info, text);
                }
            } else if away.insert(key) {
                let reason = status.error.unwrap_or_default();
                let text = format!(
                    "connection {name} is away, and is tried in the background: {}: {reason}; until it is back {}",
                    breaker.name(),
                    effect(connections, name)
                );
                journal.line(0, &text);
                journal.changes().add(text);
            }
        }
        self.say_replaced(connections, journal);
    }

    fn say_replaced(&self, connections: &Connections, journal: &Journal) {
        let mut said = lock(&self.replaced);
        for (name, breaker, count) in connections.replaced() {
            let before = said.entry(name.to_owned()).or_default();
            // A reload may have made a new handle.
            if count > *before {
                let text = format!(
                    "connection {name}: {} was removed, replaced or cut to nothing, and is opened again without what was in the old one",
                    breaker.name()
                );
                journal.warning_each_time(&text);
                journal.changes().add(text);
            }
            *before = count;
        }
    }
}

/// What comes of it for those who use the connection.
fn effect(connections: &Connections, name: &str) -> String {
    let users = connections.users(name);
    let (sessions, plugins): (Vec<_>, Vec<_>) =
        users.iter().partition(|user| &***user == SESSION_CACHE);
    let mut effects = Vec::new();
    if !plugins.is_empty() {
        let plugins: Vec<_> = plugins.iter().map(|name| &***name).collect();
        let plugins = plugins.join(", ");
        effects.push(format!("the plugins {plugins} do what their on_error says"));
    }
    if !sessions.is_empty() {
        effects.push("requests have no sessions".to_owned());
    }
    effects.join(", and ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the block.
const SESSION_CACHE: &str = "SessionCache";
