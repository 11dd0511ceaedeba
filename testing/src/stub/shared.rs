//! The state that a stub and its threads share: the scripts, the record of what came, and whether it stops.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{PATIENCE, Script};

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    /// In reverse: the current one is the last.
    pub(super) scripts: Vec<Script>,
    pub(super) requests: Vec<(usize, Vec<u8>)>,
    pub(super) fragments: Vec<Vec<u8>>,
    pub(super) connections: usize,
    pub(super) open: Vec<(usize, Arc<Socket>)>,
    pub(super) released: bool,
    pub(super) stopping: bool,
}

impl Shared {
    pub(super) fn new(script: Script) -> Self {
        Self {
            state: Mutex::new(State {
                scripts: vec![script],
                requests: Vec::new(),
                fragments: Vec::new(),
                connections: 0,
                open: Vec::new(),
                released: false,
                stopping: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    /// Waits, unless the stub is stopped; false when it is.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.sleep_while(time, |state| !state.stopping);
        !self.lock().stopping
    }

    pub(super) fn wait_release(&self) -> bool {
        self.sleep_while(PATIENCE * 6, |state| !state.stopping && !state.released);
        !self.lock().stopping
    }

    fn sleep_while(&self, time: Duration, asleep: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while asleep(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.expect("no panic under the lock").0;
        }
    }
}

impl State {
    pub(super) fn script(&self) -> &Script {
        self.scripts.last().expect("a stub has a script")
    }

    pub(super) fn take_script(&mut self) -> Script {
        if self.scripts.len() > 1 {
            self.scripts.pop().expect("more than one")
        } else {
            self.script().clone()
        }
    }
}
