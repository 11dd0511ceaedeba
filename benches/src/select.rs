//! The balancer at work: a backend is picked, and answers.

use std::time::Instant;

use policy_ha::{Backend, BackendId, Balancer, Config, Outcome, Preference, Tried};

/// A balancer, and what it takes to pick by each strategy.
#[derive(Debug)]
pub struct Selection {
    balancer: Balancer,
    loads: Vec<u32>,
    now: Instant,
}

/// Within a priority, by what.
#[derive(Clone, Copy, Debug)]
pub enum Strategy {
    /// By turn.
    RoundRobin,
    /// By load.
    LeastLoaded,
    /// By the request's key.
    Hash,
}

impl Strategy {
    /// Each with its name.
    pub const ALL: [(&str, Self); 3] = [
        ("round robin", Self::RoundRobin),
        ("least loaded", Self::LeastLoaded),
        ("hash", Self::Hash),
    ];
}

impl Selection {
    /// So many backends of one priority, whose weights go from 1 to the highest, and again.
    ///
    /// # Panics
    ///
    /// If there are none, or more than 64.
    pub fn new(backends: u16, highest: u16) -> Self {
        let list = (0..backends).map(|n| Backend::new(10, n % highest + 1));
        Self {
            balancer: Balancer::new(Config::default(), list).expect("1 to 64 backends"),
            loads: (0..u32::from(backends)).map(|n| n * n % 7).collect(),
            now: Instant::now(),
        }
    }

    /// Serves the `n`th request: picks, and observes an answer. Who answered.
    pub fn serve(&mut self, strategy: Strategy, n: u64) -> Option<BackendId> {
        let Self {
            balancer,
            loads,
            now,
        } = self;
        let mut tried = Tried::new();
        let picked = match strategy {
            Strategy::RoundRobin => balancer.pick(*now, Preference::None, &mut tried),
            Strategy::LeastLoaded => {
                balancer
                    .pick_least_loaded(*now, Preference::None, &mut tried, |id| loads[id.index()])
            }
            Strategy::Hash => balancer.pick(*now, Preference::Hash(n), &mut tried),
        };
        balancer.observe(*now, picked?, Outcome::Success);
        picked
    }
}
