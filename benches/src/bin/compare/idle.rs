//! Connections that do nothing: their memory, and the CPU that they cost those at work.

use std::{error::Error, thread::sleep, time::Duration};

use policy_benches::{
    process::{Usage, raise_descriptors, resident},
    report::median,
};

use crate::{
    arena::Arena,
    contestant::{Contestant, Running},
};

/// What one contestant does with idle connections.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) contestant: Contestant,
    /// How many connections were idle in the end.
    pub(crate) connections: usize,
    /// The memory in kB with none and with all of them.
    pub(crate) resident: [u64; 2],
    /// Microseconds per request without and with all the idle connections, round by round.
    pub(crate) cpu: Vec<[f64; 2]>,
}

impl Idle {
    /// Two processes take turns: one that has only the active connections, and one with idle ones.
    pub(crate) fn measure(
        arena: &mut Arena,
        contestant: &Contestant,
        rounds: usize,
        time: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let quiet = arena.start(contestant)?;
        let crowded = arena.start(contestant)?;
        for running in [&quiet, &crowded] {
            running.load(ACTIVE, false)?.run(time)?;
            sleep(SETTLE);
        }
        // The active ones find room beside them.
        let most = contestant.most_connections(raise_descriptors()?);
        let most = most.saturating_sub(2 * ACTIVE).min(MOST);
        let mut connections = Vec::new();
        let before = resident(&crowded.processes)?;
        while (connections.len() + 1) * GROUP <= most {
            let mut group = crowded.load(GROUP, false)?;
            // Each has asked once, as Postfix's connections have.
            group.ask_once()?;
            connections.push(group);
        }
        sleep(SETTLE);
        let after = resident(&crowded.processes)?;
        let mut cpu = Vec::new();
        for _ in 0..rounds {
            cpu.push([
                cpu_per_request(&quiet, time)?,
                cpu_per_request(&crowded, time)?,
            ]);
        }
        Ok(Self {
            contestant: contestant.clone(),
            connections: connections.len() * GROUP,
            resident: [before, after],
            cpu,
        })
    }

    /// Bytes for each; NaN where there is none.
    pub(crate) fn bytes(&self) -> f64 {
        let [before, after] = self.resident;
        after.saturating_sub(before) as f64 * 1024.0 / self.connections as f64
    }

    /// The medians of the CPU without and with idle connections, and that of their ratios.
    pub(crate) fn cpu(&self) -> [f64; 3] {
        let of = |figure: fn(&[f64; 2]) -> f64| median(self.cpu.iter().map(figure));
        [
            of(|pair| pair[0]),
            of(|pair| pair[1]),
            of(|pair| pair[1] / pair[0]),
        ]
    }
}

fn cpu_per_request(running: &Running, time: Duration) -> Result<f64, Box<dyn Error>> {
    let mut load = running.load(ACTIVE, false)?;
    load.run(time / 5)?;
    let before = Usage::of(running.ids())?;
    let answered = load.run(time)?;
    let used = Usage::of(running.ids())? - before;
    Ok(used.cpu.as_secs_f64() * 1e6 / answered.answers as f64)
}

/// How many connections work.
const ACTIVE: usize = 16;
/// How many are idle.
const MOST: usize = 10_000;
/// How many of them are opened, and ask, at a time.
const GROUP: usize = 50;
/// For what is done later than at once.
const SETTLE: Duration = Duration::from_millis(500);
