//! What connections cost that do nothing: memory, and the CPU of those that do.

use std::{error::Error, thread::sleep, time::Duration};

use policy_benches::process::{Usage, raise_descriptors, resident};

use crate::{
    arena::Arena,
    contestant::{Contestant, Running},
    figures::median,
    load::Load,
};

/// What one contestant does with idle connections.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) contestant: Contestant,
    /// How many connections were idle, and the memory in kB then.
    pub(crate) resident: Vec<(usize, u64)>,
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
            Load::open(ACTIVE, running)?.run(time)?;
            sleep(SETTLE);
        }
        // The active ones find room beside them.
        let most = contestant.most_connections(raise_descriptors()?);
        let most = most.saturating_sub(2 * ACTIVE).min(MOST);
        let mut connections = Vec::new();
        let mut memory = vec![(0, resident(&crowded.processes)?)];
        for step in 1..=STEPS {
            while (connections.len() + 1) * GROUP <= most * step / STEPS {
                let mut group = Load::open(GROUP, &crowded)?;
                // Each has asked once, as Postfix's connections have.
                group.run(Duration::ZERO)?;
                connections.push(group);
            }
            sleep(SETTLE);
            memory.push((connections.len() * GROUP, resident(&crowded.processes)?));
        }
        let mut cpu = Vec::new();
        for _ in 0..rounds {
            cpu.push([
                cpu_per_request(&quiet, time)?,
                cpu_per_request(&crowded, time)?,
            ]);
        }
        Ok(Self {
            contestant: contestant.clone(),
            resident: memory,
            cpu,
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.resident
            .last()
            .map_or(0, |(connections, _)| *connections)
    }

    /// Bytes for each.
    pub(crate) fn bytes(&self) -> f64 {
        match (self.resident.first(), self.resident.last()) {
            (Some((_, none)), Some((connections, all))) => {
                all.saturating_sub(*none) as f64 * 1024.0 / *connections as f64
            }
            _ => f64::NAN,
        }
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
    let mut load = Load::open(ACTIVE, running)?;
    load.run(time / 5)?;
    let before = Usage::of(running.ids())?;
    let answered = load.run(time)?;
    let used = Usage::of(running.ids())? - before;
    Ok(used.cpu.as_secs_f64() * 1e6 / answered.requests as f64)
}

/// How many connections work.
const ACTIVE: usize = 16;
/// How many are idle.
const MOST: usize = 10_000;
/// How many of them are opened, and ask, at a time.
const GROUP: usize = 50;
const STEPS: usize = 4;
/// For what is done later than at once.
const SETTLE: Duration = Duration::from_millis(500);
