//! A balancer lives through a scene.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use fastrand::Rng;
use policy_ha::{Backend, BackendId, Balancer, Config, ConfigError, Outcome, Preference, Tried};

use crate::{
    measure::Measures,
    scene::{SECOND, SECONDS, SERVERS, Scene, weight},
};

/// How a server is chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Balance {
    RoundRobin,
    LeastLoaded,
    /// Keys that come equally often, as those of a greylist do.
    Hash,
    /// Keys like the domains of senders: the `k`th of a million comes with `1 / k` of the probability of
    /// the first.
    HashSkewed,
}

impl Balance {
    pub(crate) const ALL: [Self; 4] = [
        Self::RoundRobin,
        Self::LeastLoaded,
        Self::Hash,
        Self::HashSkewed,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::LeastLoaded => "least loaded",
            Self::Hash => "hash, even keys",
            Self::HashSkewed => "hash, skewed keys",
        }
    }
}

/// About so many requests in all, at random times.
///
/// The balancers do not know of each other, and a server answers as soon however many ask it. So each
/// lives through the scene by itself, and what they do is added up.
pub(crate) fn run(
    scene: &Scene,
    balance: Balance,
    balancers: u64,
    requests: u64,
) -> Result<Measures, ConfigError> {
    let mut measures = Measures::new();
    let end = u64::from(SECONDS) * SECOND;
    let mean = (end * balancers) as f64 / requests as f64;
    for seed in 1..=balancers {
        let mut client = Client::new(scene, balance, seed, &mut measures)?;
        let mut next = 0;
        loop {
            next += exponential(&mut client.chance, mean);
            client.waits(next.min(end - 1));
            if next >= end {
                break;
            }
            client.arrives(next);
        }
    }
    measures.complete();
    Ok(measures)
}

/// One of the balancers, with what it has under way.
struct Client<'a> {
    scene: &'a Scene,
    balance: Balance,
    balancer: Balancer,
    ids: Vec<BackendId>,
    epoch: Instant,
    chance: Rng,
    /// What is under way, the first to end first, by its place in `attempts`.
    queue: BinaryHeap<Reverse<(u64, u32)>>,
    attempts: Vec<Attempt>,
    unused: Vec<u32>,
    loads: [u32; SERVERS],
    measures: &'a mut Measures,
}

#[derive(Clone, Copy)]
struct Request {
    arrived: u64,
    key: Option<u64>,
    tried: Tried,
}

#[derive(Clone, Copy)]
struct Attempt {
    request: Request,
    server: usize,
    began: u64,
    is_answered: bool,
}

impl<'a> Client<'a> {
    fn new(
        scene: &'a Scene,
        balance: Balance,
        seed: u64,
        measures: &'a mut Measures,
    ) -> Result<Self, ConfigError> {
        let backends = (0..SERVERS).map(|server| Backend::new(10, weight(server)));
        let balancer = Balancer::new(Config::default().with_seed(seed), backends)?;
        Ok(Self {
            scene,
            balance,
            ids: balancer.ids().collect(),
            balancer,
            epoch: Instant::now(),
            chance: Rng::with_seed(seed),
            queue: BinaryHeap::new(),
            attempts: Vec::new(),
            unused: Vec::new(),
            loads: [0; SERVERS],
            measures,
        })
    }

    /// Until then, while attempts end.
    fn waits(&mut self, until: u64) {
        while let Some(&Reverse((now, place))) = self.queue.peek() {
            if now > until {
                return;
            }
            self.queue.pop();
            self.unused.push(place);
            self.ends(now, self.attempts[place as usize]);
        }
    }

    fn arrives(&mut self, now: u64) {
        self.measures.arrived(now);
        let request = Request {
            arrived: now,
            key: self.key(),
            tried: Tried::new(),
        };
        self.asks(now, request);
    }

    fn key(&mut self) -> Option<u64> {
        match self.balance {
            Balance::RoundRobin | Balance::LeastLoaded => None,
            Balance::Hash => Some(self.chance.u64(..KEYS)),
            Balance::HashSkewed => Some((KEYS as f64).powf(self.chance.f64()) as u64),
        }
    }

    fn asks(&mut self, now: u64, mut request: Request) {
        let (at, tried) = (self.at(now), &mut request.tried);
        let picked = match (request.key, self.balance) {
            (Some(key), _) => self.balancer.pick(at, Preference::Hash(key), tried),
            (None, Balance::LeastLoaded) => {
                let load = |id: BackendId| self.loads[id.index()];
                self.balancer
                    .pick_least_loaded(at, Preference::None, tried, load)
            }
            (None, _) => self.balancer.pick(at, Preference::None, tried),
        };
        let Some(server) = picked.map(BackendId::index) else {
            return self.measures.gave_up();
        };
        let work = SHORTEST + exponential(&mut self.chance, WORK - SHORTEST as f64);
        let (done, is_answered) = self.scene.ask(server, now, work);
        let ends = done.min(now + TIMEOUT);
        let attempt = Attempt {
            request,
            server,
            began: now,
            is_answered: is_answered && done == ends,
        };
        self.loads[server] += 1;
        self.measures
            .attempted(server, now, ends, attempt.is_answered);
        let place = self.unused.pop().unwrap_or_else(|| {
            self.attempts.push(attempt);
            self.attempts.len() as u32 - 1
        });
        self.attempts[place as usize] = attempt;
        self.queue.push(Reverse((ends, place)));
    }

    fn ends(&mut self, now: u64, attempt: Attempt) {
        let outcome = match attempt.is_answered {
            true => Outcome::Success,
            false => Outcome::Failure {
                took: Duration::from_micros(now - attempt.began),
            },
        };
        self.loads[attempt.server] -= 1;
        self.balancer
            .observe(self.at(now), self.ids[attempt.server], outcome);
        match attempt.is_answered {
            true => self.measures.answered(attempt.request.arrived, now),
            false => self.asks(now, attempt.request),
        }
    }

    fn at(&self, now: u64) -> Instant {
        self.epoch + Duration::from_micros(now)
    }
}

fn exponential(chance: &mut Rng, mean: f64) -> u64 {
    (-mean * (1.0 - chance.f64()).ln()) as u64
}

/// Microseconds: an answer takes 10 ms and by chance more, 50 ms in the mean.
const SHORTEST: u64 = 10_000;
pub(crate) const WORK: f64 = 50_000.0;
/// Ten seconds.
const TIMEOUT: u64 = 10 * SECOND;
const KEYS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::DISTURBED;

    #[test]
    fn a_quiet_fleet_shares_by_weight() {
        let [quiet, ..] = Scene::all();
        let measures = run(&quiet, Balance::RoundRobin, 2, 50_000).unwrap();
        assert!((49_000..51_000).contains(&measures.requests()));
        assert_eq!(
            (measures.given_up, measures.wasted(0..1000), measures.late()),
            (0, 0, 0)
        );
        assert!(measures.share_error(&quiet, 0..1000) < 0.01);
    }

    #[test]
    fn restarts_cost_each_balancer_what_is_under_way_and_three_attempts_a_server() {
        let [_, restarts, ..] = Scene::all();
        for balance in Balance::ALL {
            let measures = run(&restarts, balance, 2, 50_000).unwrap();
            let wasted = measures.wasted(0..1000);
            assert_eq!(
                wasted,
                measures.wasted(DISTURBED.start as usize..DISTURBED.end as usize)
            );
            assert!(
                (50..2 * 50 * 4).contains(&wasted),
                "{wasted} by {balance:?}"
            );
            assert_eq!(measures.given_up, 0);
        }
    }

    #[test]
    fn a_slow_server_has_more_under_way_and_is_asked_less_where_that_counts() {
        let [_, _, slow, _] = Scene::all();
        let under_way = |balance| {
            let measures = run(&slow, balance, 1, 50_000).unwrap();
            assert_eq!(measures.given_up, 0);
            let during = DISTURBED.start as usize..DISTURBED.end as usize;
            let each = during.map(|second| measures.most_under_way(&slow, second));
            each.sum::<f64>() / 300.0
        };
        let (by_turn, by_load) = (
            under_way(Balance::RoundRobin),
            under_way(Balance::LeastLoaded),
        );
        assert!(
            by_turn > 15.0 && by_load < by_turn,
            "{by_load} and {by_turn}"
        );
    }
}
