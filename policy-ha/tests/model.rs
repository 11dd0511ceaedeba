//! The balancer against a naive model of its rules, call by call.
//!
//! The model keeps a list where the balancer keeps sets, sorts where it searches, takes floating point
//! logarithms, and does not know the spread: it checks that each new `due` is within its bounds,
//! and then believes it.

mod support;

use std::time::{Duration, Instant};

use policy_ha::{Backend, BackendId, Balancer, Config, Mode, Outcome, Status, Transition, Tried};
use proptest::{collection::vec, prelude::*};
use support::{By, Wish, by, epoch, millis, mode};

#[derive(Clone, Debug)]
struct Modelled {
    identity: u64,
    priority: u16,
    weight: u64,
    credit: i64,
    failures: u32,
    /// Since when, until when, and the latest backoff.
    down: Option<(Instant, Instant, Duration)>,
    answered: Option<Instant>,
    mode: Mode,
}

struct Model {
    config: Config,
    backends: Vec<Modelled>,
    failovers: u64,
}

impl Model {
    fn new(config: Config, backends: &[Backend]) -> Self {
        let modelled = |(place, backend): (u64, &Backend)| Modelled {
            identity: backend.key.unwrap_or(place),
            priority: backend.priority,
            weight: backend.weight.into(),
            credit: 0,
            failures: 0,
            down: None,
            answered: None,
            mode: Mode::Enabled,
        };
        Self {
            config,
            backends: (0..).zip(backends).map(modelled).collect(),
            failovers: 0,
        }
    }

    fn is_up(&self, index: usize) -> bool {
        self.backends[index].down.is_none()
    }

    fn is_due(&self, index: usize, now: Instant) -> bool {
        self.backends[index]
            .down
            .is_some_and(|(_, due, _)| due <= now)
    }

    /// Who may be next: one, but for draws that are too close to tell.
    fn pick(
        &mut self,
        now: Instant,
        stick: Option<usize>,
        by: By,
        loads: &[u64],
        tried: &[usize],
    ) -> Vec<usize> {
        let mut open: Vec<_> = (0..self.backends.len())
            .filter(|index| !tried.contains(index))
            .collect();
        let sticks = |index: &usize| {
            open.contains(index)
                && self.is_up(*index)
                && self.backends[*index].mode != Mode::Disabled
        };
        if let Some(index) = stick.filter(sticks) {
            return vec![index];
        }
        open.retain(|&index| self.backends[index].mode == Mode::Enabled);
        let ups = open.iter().filter(|&&index| self.is_up(index)).count();
        let trials = tried.is_empty() || ups == 0;
        let mut usable = open.clone();
        usable.retain(|&index| self.is_up(index) || trials && self.is_due(index, now));
        let Some(first) = usable
            .iter()
            .map(|&index| self.backends[index].priority)
            .min()
        else {
            let key = |&index: &usize| {
                let Modelled { priority, down, .. } = self.backends[index];
                (down.map(|(_, due, _)| due), priority, index)
            };
            return open.into_iter().min_by_key(key).into_iter().collect();
        };
        usable.retain(|&index| self.backends[index].priority == first);
        if let By::Key(key) = by {
            return self.drawn(key, &usable);
        }
        if let By::Load(_) = by {
            // Who already has more than another would have with this request is not asked, unless it
            // is due.
            let ups: Vec<_> = usable
                .iter()
                .copied()
                .filter(|&index| self.is_up(index))
                .collect();
            let weight = |index: usize| self.backends[index].weight;
            usable.retain(|&index| {
                let better = |&other: &usize| {
                    (loads[other] + 1) * weight(index) <= loads[index] * weight(other)
                };
                !self.is_up(index) || !ups.iter().any(better)
            });
        }
        if !tried.is_empty() {
            let draw = splitmix(!self.config.seed, self.failovers);
            self.failovers += 1;
            return self.drawn(draw, &usable);
        }
        for &index in &usable {
            self.backends[index].credit += self.backends[index].weight as i64;
        }
        let most = usable
            .iter()
            .map(|&index| self.backends[index].credit)
            .max();
        let winner = usable
            .iter()
            .copied()
            .find(|&index| Some(self.backends[index].credit) == most);
        let total: u64 = usable
            .iter()
            .map(|&index| self.backends[index].weight)
            .sum();
        if let Some(index) = winner {
            self.backends[index].credit -= total as i64;
        }
        winner.into_iter().collect()
    }

    fn drawn(&self, key: u64, among: &[usize]) -> Vec<usize> {
        let score = |index: usize| {
            let Modelled {
                identity, weight, ..
            } = self.backends[index];
            let number = mixed(key ^ splitmix(identity, 0)) as f64 + 0.5;
            (64.0 - number.log2()) / weight as f64
        };
        let best = among
            .iter()
            .map(|&index| score(index))
            .fold(f64::MAX, f64::min);
        let close = |index: &usize| score(*index) <= best * 1.002 + 1e-5;
        among.iter().copied().filter(close).collect()
    }

    /// The backoff that follows a trial.
    fn next_backoff(&self, index: usize) -> Duration {
        let (_, _, backoff) = self.backends[index].down.expect("a trial");
        if backoff >= self.config.max_backoff {
            backoff
        } else {
            (backoff * 2).min(self.config.max_backoff)
        }
    }

    fn observe(&mut self, now: Instant, index: usize, failed: Option<Duration>) -> Change {
        let backend = &mut self.backends[index];
        let Some(took) = failed else {
            backend.answered = Some(backend.answered.map_or(now, |latest| latest.max(now)));
            backend.failures = 0;
            return match backend.down.take() {
                Some((since, _, _)) => Change::Up(now.saturating_duration_since(since)),
                None => Change::None,
            };
        };
        if backend
            .answered
            .is_some_and(|answered| now - took < answered)
        {
            return Change::None;
        }
        if let Some((_, due, _)) = &mut backend.down {
            *due = (*due).max(now + took);
            return Change::None;
        }
        backend.failures += 1;
        if backend.failures < self.config.max_failures {
            return Change::None;
        }
        Change::Down(took.max(self.config.min_backoff))
    }
}

#[derive(Debug, PartialEq)]
enum Change {
    None,
    Up(Duration),
    /// The backoff before the spread.
    Down(Duration),
}

/// The `n`th number of the splitmix64 sequence.
fn splitmix(seed: u64, n: u64) -> u64 {
    mixed((0..=n).fold(seed, |state, _| state.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[derive(Clone, Debug)]
enum Call {
    /// A new request in one of the slots.
    Begin(usize),
    Pick(usize, Option<usize>, By),
    Observe(usize, Option<u64>),
    Mode(usize, Mode),
}

fn call() -> impl Strategy<Value = Call> {
    let took = prop_oneof![Just(0), 0..3_000u64, 0..100_000u64];
    prop_oneof![
        2 => (0..3usize).prop_map(Call::Begin),
        6 => (0..3usize, prop::option::weighted(0.2, 0..8usize), by())
            .prop_map(|(slot, stick, by)| Call::Pick(slot, stick, by)),
        1 => (0..8usize, mode()).prop_map(|(index, mode)| Call::Mode(index, mode)),
        4 => (0..8usize, prop::option::weighted(0.7, took))
            .prop_map(|(index, failed)| Call::Observe(index, failed)),
    ]
}

fn is_spread(wait: Duration, base: Duration) -> bool {
    wait >= base && (wait < base + base / 4 || base.is_zero())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 3 / 2))]

    #[test]
    fn the_balancer_does_as_the_model_does(
        backends in vec((0..3u16, 1..=7u16).prop_map(|(p, w)| Backend::new(p, w)), 1..=8),
        (max_failures, first_key) in (1..4u32, any::<Option<u64>>()),
        (min, max) in (0..3_000u64, 0..20_000u64),
        calls in vec((prop_oneof![3 => Just(0), 6 => 0..2_000i64, 1 => 0..100_000i64, 1 => -3_000..0i64], call()), 0..200),
    ) {
        let with_key = |(n, backend): (u64, Backend)| match first_key {
            Some(key) => backend.with_key(key.wrapping_add(n)),
            None => backend,
        };
        let backends: Vec<_> = (0..).zip(backends).map(with_key).collect();
        let config = Config::default()
            .with_max_failures(max_failures)
            .with_min_backoff(millis(min))
            .with_max_backoff(millis(max));
        let mut balancer = Balancer::new(config, backends.clone()).unwrap();
        let mut model = Model::new(config, &backends);
        let ids: Vec<BackendId> = balancer.ids().collect();
        let mut slots = [(); 3].map(|()| (Tried::new(), Vec::new()));
        let mut now = epoch();

        for (step, call) in calls {
            let by = millis(step.unsigned_abs());
            now = if step < 0 { now - by } else { now + by };
            match call {
                Call::Begin(slot) => slots[slot] = (Tried::new(), Vec::new()),
                Call::Pick(slot, stick, by) => {
                    let stick = stick.filter(|&index| index < ids.len());
                    let wish = Wish { stick: stick.map(|index| ids[index]), by };
                    let loads: Vec<_> = match by {
                        By::Load(loads) => ids.iter().map(|&id| Wish::load(loads, id).into()).collect(),
                        By::Turn | By::Key(_) => Vec::new(),
                    };
                    let (tried, model_tried) = &mut slots[slot];
                    let expected = model.pick(now, stick, by, &loads, model_tried);
                    let got = wish.pick(&mut balancer, now, tried).map(BackendId::index);
                    let Some(index) = got else {
                        prop_assert!(expected.is_empty(), "none instead of {:?}", expected);
                        continue;
                    };
                    prop_assert!(expected.contains(&index), "{} instead of {:?}", index, expected);
                    model_tried.push(index);
                    let is_due = model.is_due(index, now);
                    prop_assert_eq!(tried.is_last_resort(), !model.is_up(index) && !is_due);
                    if is_due {
                        let base = model.next_backoff(index);
                        let Status::Down { due, .. } = balancer.status(ids[index]) else {
                            return Err(TestCaseError::fail("a trial brings nobody up"));
                        };
                        prop_assert!(is_spread(due - now, base), "{:?} for {:?}", due - now, base);
                        model.backends[index].down = model.backends[index].down.map(|(since, ..)| (since, due, base));
                    }
                }
                Call::Mode(index, mode) => {
                    let index = index % ids.len();
                    balancer.set_mode(ids[index], mode);
                    model.backends[index].mode = mode;
                }
                Call::Observe(index, failed) => {
                    let index = index % ids.len();
                    let took = failed.map(millis);
                    let outcome = took.map_or(Outcome::Success, |took| Outcome::Failure { took });
                    let got = balancer.observe(now, ids[index], outcome);
                    match (got, model.observe(now, index, took)) {
                        (Some(Transition::Down { due_in, .. }), Change::Down(base)) => {
                            prop_assert!(is_spread(due_in, base), "{:?} for {:?}", due_in, base);
                            model.backends[index].down = Some((now, now + due_in, base));
                        }
                        (Some(Transition::Up { after, .. }), Change::Up(expected)) => prop_assert_eq!(after, expected),
                        (None, Change::None) => {}
                        (got, expected) => prop_assert!(false, "{:?} instead of {:?}", got, expected),
                    }
                }
            }
            for (id, modelled) in ids.iter().zip(&model.backends) {
                let expected = modelled.down.map_or(Status::Up, |(since, due, _)| Status::Down { since, due });
                prop_assert_eq!(balancer.status(*id), expected);
            }
        }
    }
}
