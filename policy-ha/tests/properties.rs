//! Laws that hold for arbitrary backends, weights, seeds and histories.

use std::time::{Duration, Instant};

use policy_ha::{Backend, BackendId, Balancer, Config, Outcome, Preference, Status, Tried};
use proptest::{collection::vec, prelude::*};

#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
fn epoch() -> Instant {
    // Far enough from the start of the clock to go back a little.
    Instant::now() + Duration::from_secs(1 << 30)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Something that happened before a law is put to the test.
#[derive(Clone, Debug)]
enum Event {
    /// A request: who it sticks to, and how long each attempt takes to fail but the last, which
    /// succeeds or is cancelled.
    Request {
        stick: Option<u8>,
        fails: Vec<u64>,
        answered: bool,
    },
    Observe(u8, Option<u64>),
    /// Milliseconds, mostly forwards.
    Time(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let took = prop_oneof![Just(0), 0..30_000u64];
    prop_oneof![
        4 => (prop::option::of(0..64u8), vec(took.clone(), 0..5), any::<bool>())
            .prop_map(|(stick, fails, answered)| Event::Request { stick, fails, answered }),
        3 => (0..64u8, prop::option::of(took)).prop_map(|(id, failed)| Event::Observe(id, failed)),
        3 => prop_oneof![9 => 0..5_000i64, 2 => 0..200_000i64, 1 => -10_000..0i64]
            .prop_map(Event::Time),
    ]
}

fn backends() -> impl Strategy<Value = Vec<Backend>> {
    let backend = (0..4u16, prop_oneof![1..=5u16, 1..=Backend::MAX_WEIGHT]);
    vec(
        backend.prop_map(|(priority, weight)| Backend::new(priority, weight)),
        1..=64,
    )
}

fn config() -> impl Strategy<Value = Config> {
    (1..4u32, 0..5_000u64, 0..100_000u64, any::<u64>()).prop_map(
        |(max_failures, min, max, seed)| {
            Config::default()
                .with_max_failures(max_failures)
                .with_min_backoff(Duration::from_millis(min))
                .with_max_backoff(Duration::from_millis(max))
                .with_seed(seed)
        },
    )
}

/// A balancer with a past.
fn lived() -> impl Strategy<Value = (Balancer, Instant)> {
    (config(), backends(), vec(event(), 0..60)).prop_map(|(config, backends, events)| {
        let mut balancer = Balancer::new(config, backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        (balancer, now)
    })
}

/// Lives through the events, and writes down all that the balancer said.
fn live(balancer: &mut Balancer, now: &mut Instant, events: &[Event]) -> Vec<String> {
    let ids: Vec<_> = balancer.ids().collect();
    let id = |index: u8| ids[usize::from(index) % ids.len()];
    let mut said = Vec::new();
    for event in events {
        match event {
            Event::Request {
                stick,
                fails,
                answered,
            } => {
                let preference =
                    stick.map_or(Preference::None, |index| Preference::Stick(id(index)));
                let mut tried = Tried::new();
                for &took in fails {
                    let Some(id) = balancer.pick(*now, preference, &mut tried) else {
                        break;
                    };
                    let took = Duration::from_millis(took);
                    *now += took;
                    let change = balancer.observe(*now, id, Outcome::Failure { took });
                    said.push(format!("{id:?} {change:?}"));
                }
                if let Some(id) = balancer.pick(*now, preference, &mut tried) {
                    let change = answered.then(|| balancer.observe(*now, id, Outcome::Success));
                    said.push(format!("{id:?} {change:?}"));
                }
            }
            Event::Observe(index, failed) => {
                let outcome = failed.map_or(Outcome::Success, |took| Outcome::Failure {
                    took: Duration::from_millis(took),
                });
                said.push(format!("{:?}", balancer.observe(*now, id(*index), outcome)));
            }
            Event::Time(by) => {
                let step = Duration::from_millis(by.unsigned_abs());
                *now = if *by < 0 { *now - step } else { *now + step };
            }
        }
    }
    said.extend(ids.iter().map(|&id| format!("{:?}", balancer.status(id))));
    said
}

fn first(balancer: &mut Balancer, now: Instant) -> usize {
    balancer
        .pick(now, Preference::None, &mut Tried::new())
        .unwrap()
        .index()
}

/// How often each backend was the first choice, by their places.
fn shares(firsts: &[usize], len: usize) -> Vec<usize> {
    (0..len)
        .map(|index| firsts.iter().filter(|&&first| first == index).count())
        .collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

proptest! {
    #[test]
    fn each_backend_is_offered_exactly_once_whatever_the_history(
        (mut balancer, now) in lived(),
        stick in any::<prop::sample::Index>(),
        sticks in any::<bool>(),
        outcomes in vec(prop::option::of(any::<bool>()), 64),
    ) {
        let ids: Vec<_> = balancer.ids().collect();
        let preference = if sticks { Preference::Stick(*stick.get(&ids)) } else { Preference::None };
        let mut tried = Tried::new();
        let mut offered = Vec::new();
        for outcome in &outcomes[..ids.len()] {
            let id = balancer.pick(now, preference, &mut tried).expect("as many offers as backends");
            prop_assert!(tried.contains(id));
            offered.push(id);
            prop_assert_eq!(tried.len(), offered.len());
            match outcome {
                Some(true) => drop(balancer.observe(now, id, Outcome::Success)),
                Some(false) => drop(balancer.observe(now, id, Outcome::Failure { took: secs(1) })),
                None => {} // cancelled
            }
        }
        prop_assert_eq!(balancer.pick(now, preference, &mut tried), None);
        offered.sort_unstable();
        prop_assert_eq!(offered, ids);
    }

    #[test]
    fn those_up_or_due_are_offered_first_and_by_priority(
        config in config(), backends in backends(), events in vec(event(), 0..60),
    ) {
        let mut balancer = Balancer::new(config, backends.clone()).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        // The rank of a backend, for a request's first offer and for the later ones.
        let place = |id: BackendId, status: Status, is_first: bool| {
            let priority = backends[id.index()].priority;
            match status {
                Status::Down { due, .. } if due > now => (2, due, priority),
                Status::Down { .. } if !is_first => (1, now, priority),
                _ => (0, now, priority),
            }
        };
        let mut tried = Tried::new();
        for at in 0..backends.len() {
            let before = balancer.clone();
            let rank = |id| place(id, before.status(id), at == 0);
            let best = before.ids().filter(|id| !tried.contains(*id)).map(rank).min();
            let id = balancer.pick(now, Preference::None, &mut tried).unwrap();
            prop_assert_eq!(Some(rank(id)), best, "at {}", at);
        }
    }

    #[test]
    fn shares_are_exact_again_soon_after_any_history(
        weights in vec(1..=5u16, 1..=6), seed in any::<u64>(), events in vec(event(), 0..60),
    ) {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        for id in balancer.ids().collect::<Vec<_>>() {
            balancer.observe(now, id, Outcome::Success);
        }
        let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight.into()));
        let exact: Vec<_> = weights.iter().map(|&weight| usize::from(weight) / divisor).collect();
        let turn: usize = exact.iter().sum();
        // Anyone is owed half a request for each other backend at most: soon paid.
        for _ in 0..turn * weights.len() {
            first(&mut balancer, now);
        }
        let firsts: Vec<_> = (0..turn).map(|_| first(&mut balancer, now)).collect();
        prop_assert_eq!(shares(&firsts, weights.len()), exact);
    }

    #[test]
    fn same_calls_get_same_answers(
        config in config(), backends in backends(), events in vec(event(), 0..60),
    ) {
        let start = epoch();
        let mut one = Balancer::new(config, backends.clone()).unwrap();
        let mut two = Balancer::new(config, backends).unwrap();
        let said = live(&mut one, &mut start.clone(), &events);
        prop_assert_eq!(said, live(&mut two, &mut start.clone(), &events));
    }

    #[test]
    fn cancelled_requests_leave_nothing_behind_but_a_later_trial(
        (mut balancer, now) in lived(), requests in 1..20usize,
    ) {
        let before = balancer.clone();
        for _ in 0..requests {
            let mut tried = Tried::new();
            while balancer.pick(now, Preference::None, &mut tried).is_some() {}
        }
        for id in before.ids() {
            match (before.status(id), balancer.status(id)) {
                (Status::Down { since, due }, Status::Down { since: still, due: next })
                    if due <= now => prop_assert!(since == still && next >= now),
                (was, is) => prop_assert_eq!(was, is),
            }
        }
    }

    #[test]
    fn a_backend_that_is_down_is_tried_at_most_once_per_backoff_while_another_is_up(
        gaps in vec(0..3_000u64, 1..200), seed in any::<u64>(), took in 0..20u64,
    ) {
        let backends = [Backend::new(10, 1), Backend::new(20, 1)];
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let [dead, _] = *balancer.ids().collect::<Vec<_>>() else { unreachable!() };
        let start = epoch();
        let mut now = start;
        let mut tries = Vec::new();
        for gap in gaps {
            let mut tried = Tried::new();
            while let Some(id) = balancer.pick(now, Preference::None, &mut tried) {
                if id != dead {
                    balancer.observe(now, id, Outcome::Success);
                    break;
                }
                tries.push(now);
                now += secs(took);
                balancer.observe(now, id, Outcome::Failure { took: secs(took) });
            }
            now += Duration::from_millis(gap);
        }
        let mut backoff = secs(took.max(1));
        for pair in tries.windows(2) {
            prop_assert!(pair[1] - pair[0] >= backoff, "{:?} after {:?}", pair[1] - pair[0], backoff);
            backoff = (backoff * 2).min(secs(60));
        }
        // And so, however long it is away, for no more than half of the time.
        prop_assert!(secs(took) * tries.len() as u32 * 2 <= now - start + secs(took));
    }

    #[test]
    fn no_history_loses_a_backend_that_answers_again(
        config in config(), weights in vec(1..=5u16, 1..=8), events in vec(event(), 0..60),
    ) {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(config, backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        // Longer than any backoff can be here, and time may have run backwards.
        now += secs(10_000);
        // Ordinary requests find out, each answered by the first that is asked.
        let turn: usize = weights.iter().copied().map(usize::from).sum();
        for _ in 0..turn * weights.len() {
            let id = balancer.pick(now, Preference::None, &mut Tried::new()).unwrap();
            balancer.observe(now, id, Outcome::Success);
        }
        prop_assert!(balancer.ids().all(|id| balancer.status(id) == Status::Up));
    }

    #[test]
    fn failures_from_before_an_answer_change_nothing(
        (mut balancer, now) in lived(), which in any::<prop::sample::Index>(), took in 1..100_000u64,
    ) {
        let ids: Vec<_> = balancer.ids().collect();
        let id = *which.get(&ids);
        // Later than anything that was observed before.
        let now = now + secs(10_000);
        balancer.observe(now, id, Outcome::Success);
        let took = Duration::from_millis(took);
        let late = Outcome::Failure { took: took + Duration::from_nanos(1) };
        for _ in 0..10 {
            prop_assert_eq!(balancer.observe(now + took, id, late), None);
            prop_assert_eq!(balancer.status(id), Status::Up);
        }
    }

    #[test]
    fn nothing_panics_whatever_the_times_and_ids(
        extremes in any::<[bool; 4]>(), backends in backends(),
        calls in vec((0..64usize, any::<u64>(), any::<bool>(), any::<bool>()), 0..200),
    ) {
        let longest = |extreme, normal| if extreme { Duration::MAX } else { normal };
        let config = Config::default()
            .with_max_failures(if extremes[0] { u32::MAX } else { 1 })
            .with_min_backoff(longest(extremes[1], Duration::ZERO))
            .with_max_backoff(longest(extremes[2], Duration::ZERO));
        let mut balancer = Balancer::new(config, backends).unwrap();
        let foreign: Vec<_> = Balancer::new(config, [Backend::default(); 64]).unwrap().ids().collect();
        let start = epoch();
        let mut tried = Tried::new();
        for (index, number, forwards, success) in calls {
            let step = Duration::from_nanos(number);
            let moved = if forwards { start.checked_add(step) } else { start.checked_sub(step) };
            let now = moved.unwrap_or(start);
            let id = foreign[index];
            let took = longest(extremes[3], step);
            let outcome = if success { Outcome::Success } else { Outcome::Failure { took } };
            balancer.observe(now, id, outcome);
            balancer.status(id);
            if balancer.pick(now, Preference::Stick(id), &mut tried).is_none() {
                prop_assert_eq!(tried.len(), balancer.len());
                tried = Tried::new();
            }
        }
    }
}
