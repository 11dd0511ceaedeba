//! The balancer against a naive model of its rules, call by call.
//!
//! The model keeps a list where the balancer keeps sets, sorts where it searches, and does not know
//! the spread: it checks that each new `due` is within its bounds, and then believes it.

use std::time::{Duration, Instant};

use policy_ha::{
    Backend, BackendId, Balancer, Config, Outcome, Preference, Status, Transition, Tried,
};
use proptest::{collection::vec, prelude::*};

#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
fn epoch() -> Instant {
    Instant::now() + Duration::from_secs(1 << 30)
}

#[derive(Clone, Debug)]
struct Modelled {
    priority: u16,
    weight: i64,
    credit: i64,
    failures: u32,
    /// Since when, until when, and the latest backoff.
    down: Option<(Instant, Instant, Duration)>,
    answered: Option<Instant>,
}

struct Model {
    config: Config,
    backends: Vec<Modelled>,
}

impl Model {
    fn new(config: Config, backends: &[Backend]) -> Self {
        let modelled = |backend: &Backend| Modelled {
            priority: backend.priority,
            weight: backend.weight.into(),
            credit: 0,
            failures: 0,
            down: None,
            answered: None,
        };
        Self {
            config,
            backends: backends.iter().map(modelled).collect(),
        }
    }

    fn is_usable(&self, index: usize, now: Instant) -> bool {
        self.backends[index]
            .down
            .is_none_or(|(_, due, _)| due <= now)
    }

    /// Who is next, and whether it is a trial.
    fn pick(
        &mut self,
        now: Instant,
        stick: Option<usize>,
        tried: &mut Vec<usize>,
    ) -> Option<(usize, bool)> {
        let open: Vec<_> = (0..self.backends.len())
            .filter(|i| !tried.contains(i))
            .collect();
        let stuck = stick.filter(|i| open.contains(i) && self.backends[*i].down.is_none());
        let any_up = open.iter().any(|&i| self.backends[i].down.is_none());
        let trials = tried.is_empty() || !any_up;
        let usable: Vec<_> = open
            .iter()
            .copied()
            .filter(|&i| self.is_usable(i, now) && (trials || self.backends[i].down.is_none()))
            .collect();
        let picked = if let Some(index) = stuck {
            index
        } else if let Some(first) = usable.iter().map(|&i| self.backends[i].priority).min() {
            let tier: Vec<_> = usable
                .into_iter()
                .filter(|&i| self.backends[i].priority == first)
                .collect();
            for &i in &tier {
                self.backends[i].credit += self.backends[i].weight;
            }
            let most = tier.iter().map(|&i| self.backends[i].credit).max()?;
            let winner = tier
                .iter()
                .copied()
                .find(|&i| self.backends[i].credit == most)?;
            self.backends[winner].credit -=
                tier.iter().map(|&i| self.backends[i].weight).sum::<i64>();
            winner
        } else {
            let key = |&i: &usize| {
                let Modelled { priority, down, .. } = self.backends[i];
                (down.map(|(_, due, _)| due), priority, i)
            };
            open.into_iter().min_by_key(key)?
        };
        tried.push(picked);
        let due = self.backends[picked]
            .down
            .is_some_and(|(_, due, _)| due <= now);
        Some((picked, due))
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

#[derive(Clone, Debug)]
enum Call {
    /// A new request in one of the slots.
    Begin(usize),
    Pick(usize, Option<usize>),
    Observe(usize, Option<u64>),
}

fn call() -> impl Strategy<Value = Call> {
    let took = prop_oneof![Just(0), 0..3_000u64, 0..100_000u64];
    prop_oneof![
        2 => (0..3usize).prop_map(Call::Begin),
        6 => (0..3usize, prop::option::weighted(0.2, 0..8usize))
            .prop_map(|(slot, stick)| Call::Pick(slot, stick)),
        4 => (0..8usize, prop::option::weighted(0.7, took))
            .prop_map(|(index, failed)| Call::Observe(index, failed)),
    ]
}

fn is_spread(wait: Duration, base: Duration) -> bool {
    wait >= base && (wait < base + base / 4 || base.is_zero())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_balancer_does_as_the_model_does(
        backends in vec((0..3u16, 1..=7u16).prop_map(|(p, w)| Backend::new(p, w)), 1..=8),
        max_failures in 1..4u32,
        (min, max) in (0..3_000u64, 0..20_000u64),
        calls in vec((prop_oneof![3 => Just(0), 6 => 0..2_000i64, 1 => 0..100_000i64, 1 => -3_000..0i64], call()), 0..200),
    ) {
        let config = Config::default()
            .with_max_failures(max_failures)
            .with_min_backoff(Duration::from_millis(min))
            .with_max_backoff(Duration::from_millis(max));
        let mut balancer = Balancer::new(config, backends.clone()).unwrap();
        let mut model = Model::new(config, &backends);
        let ids: Vec<BackendId> = balancer.ids().collect();
        let mut slots = [(); 3].map(|()| (Tried::new(), Vec::new()));
        let mut now = epoch();

        for (step, call) in calls {
            let by = Duration::from_millis(step.unsigned_abs());
            now = if step < 0 { now - by } else { now + by };
            match call {
                Call::Begin(slot) => slots[slot] = (Tried::new(), Vec::new()),
                Call::Pick(slot, stick) => {
                    let stick = stick.filter(|&index| index < ids.len());
                    let preference = stick.map_or(Preference::None, |index| Preference::Stick(ids[index]));
                    let (tried, model_tried) = &mut slots[slot];
                    let got = balancer.pick(now, preference, tried);
                    let expected = model.pick(now, stick, model_tried);
                    prop_assert_eq!(got.map(BackendId::index), expected.map(|(index, _)| index));
                    if let Some((index, true)) = expected {
                        let base = model.next_backoff(index);
                        let Status::Down { due, .. } = balancer.status(ids[index]) else {
                            return Err(TestCaseError::fail("a trial brings nobody up"));
                        };
                        prop_assert!(is_spread(due - now, base), "{:?} for {:?}", due - now, base);
                        model.backends[index].down = model.backends[index].down.map(|(since, ..)| (since, due, base));
                    }
                }
                Call::Observe(index, failed) => {
                    let index = index % ids.len();
                    let took = failed.map(Duration::from_millis);
                    let outcome = took.map_or(Outcome::Success, |took| Outcome::Failure { took });
                    let got = balancer.observe(now, ids[index], outcome);
                    match (got, model.observe(now, index, took)) {
                        (Some(Transition::Down { due_in }), Change::Down(base)) => {
                            prop_assert!(is_spread(due_in, base), "{:?} for {:?}", due_in, base);
                            model.backends[index].down = Some((now, now + due_in, base));
                        }
                        (Some(Transition::Up { after }), Change::Up(expected)) => prop_assert_eq!(after, expected),
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
