//! The service manager's watchdog: it gets a sign of life as long as every worker's loop turns.

use std::{
    env, io, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::systemd::notify;
use crate::log::{Level, Log};

/// A counter for each worker, which the worker's loop counts up.
#[derive(Debug)]
pub(crate) struct Watchdog {
    counters: Vec<AtomicU64>,
    /// How often a worker is to count.
    pub(crate) interval: Duration,
}

impl Watchdog {
    /// Starts the thread that tells the manager, if the manager asks for signs of life (`WATCHDOG_USEC`): three in each
    /// period, as long as all workers have counted since the last one.
    pub(crate) fn start(workers: usize, log: &Log) -> io::Result<Option<Arc<Self>>> {
        let Some(period) = period() else {
            return Ok(None);
        };
        let watchdog = Arc::new(Self {
            counters: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            interval: period / 10,
        });
        let (watched, log) = (Arc::clone(&watchdog), log.clone());
        // A manager that does not read would stop any other thread.
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(move || watched.watch(period / 3, &log))?;
        Ok(Some(watchdog))
    }

    /// Shows that this worker's loop turns.
    pub(crate) fn beat(&self, worker: usize) {
        if let Some(counter) = self.counters.get(worker) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn watch(&self, pause: Duration, log: &Log) {
        let mut before = self.counts();
        loop {
            thread::sleep(pause);
            let now = self.counts();
            match now
                .iter()
                .zip(&before)
                .position(|(now, before)| now == before)
            {
                None => notify(log, "WATCHDOG=1"),
                Some(worker) => {
                    let text = format!("worker {worker} is stuck: no sign of life");
                    log.line(Level::Error, text);
                }
            }
            before = now;
        }
    }

    fn counts(&self) -> Vec<u64> {
        let counters = self.counters.iter();
        counters.map(|counter| counter.load(Relaxed)).collect()
    }
}

/// The time within which the manager wants the next sign of life, if it wants any from this process.
fn period() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(process::id()));
    let period = number("WATCHDOG_USEC").filter(|period| *period > 0 && !is_other);
    period.map(Duration::from_micros)
}
