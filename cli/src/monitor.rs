//! Watches the services beside the requests: says what lasts, and what was held back.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use policy_ha::Mode;
use tokio::time::Instant;

use crate::{
    Proxy,
    hands::on_call,
    journal::State,
    notify::{self, notify},
    worker::Common,
};

/// What is to be watched. It ends when the sender of the second is dropped.
type Given = (Arc<Common>, Receiver<()>);

/// A thread of its own, since a service manager that does not read would stop a worker; it is there before
/// anything is taken over.
pub(crate) fn hire() -> io::Result<Sender<Given>> {
    let (sender, watch) = on_call(|(common, ended): Given| {
        let mut monitor = Monitor::new(common.proxy.clone());
        let mut wait = Duration::ZERO;
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            let status = monitor.tick(Instant::now());
            if let Some(status) = status.filter(|_| notify::has_manager()) {
                notify(monitor.proxy.journal.log(), &format!("STATUS={status}"));
            }
            wait = TICK;
        }
    });
    thread::Builder::new()
        .name("monitor".to_owned())
        .spawn(watch)?;
    Ok(sender)
}

/// Has the thread watch, until what is returned is dropped.
pub(crate) fn watch(monitor: &Sender<Given>, common: &Arc<Common>) -> Sender<()> {
    let (end, ended) = channel();
    // Without the thread there is nothing to end either.
    _ = monitor.send((Arc::clone(common), ended));
    end
}

#[derive(Debug)]
struct Monitor {
    proxy: Proxy,
    /// For each service: how many minutes of its being down have been told.
    told: Vec<u64>,
    /// What the manager knows, and since when.
    status: Option<(Vec<bool>, Instant)>,
}

impl Monitor {
    fn new(proxy: Proxy) -> Self {
        Self {
            proxy,
            told: Vec::new(),
            status: None,
        }
    }

    /// Says what is to be said now, and returns what a service manager is to be told.
    fn tick(&mut self, now: Instant) -> Option<String> {
        let journal = &self.proxy.journal;
        journal.say_end_of_outage(now, &self.proxy.default);
        let states = self.proxy.states();
        self.told.resize(states.len(), 0);
        for (index, (state, told)) in states.iter().zip(&mut self.told).enumerate() {
            let down_for = state.down_for(now).filter(|_| state.mode != Mode::Disabled);
            let minutes = down_for.map_or(0, |time| time.as_secs() / MINUTE.as_secs());
            if let Some(down_for) = down_for.filter(|_| minutes > *told) {
                journal.still_down(index, down_for);
            }
            *told = minutes;
        }
        journal.say_pending(now, false);
        self.status(&states, now)
    }

    /// A state has changed, or something has been down for another minute.
    fn status(&mut self, states: &[State], now: Instant) -> Option<String> {
        let down: Vec<bool> = states.iter().map(State::is_down).collect();
        let is_known = self.status.as_ref().is_some_and(|(known, since)| {
            let is_old = now.saturating_duration_since(*since) >= MINUTE;
            *known == down && !(is_old && down.contains(&true))
        });
        if is_known {
            return None;
        }
        self.status = Some((down, now));
        Some(self.proxy.journal.status(states, now))
    }
}

const TICK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
