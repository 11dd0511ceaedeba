//! Shares by weight: exact for one balancer, near enough for many that serve one request each.

use std::time::Instant;

use policy_ha::{Backend, Balancer, Config, Preference, Tried};
use proptest::{collection::vec, prelude::*};

#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
fn epoch() -> Instant {
    Instant::now()
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
    fn every_window_of_a_full_turn_is_shared_exactly_by_weight(
        weights in vec(prop_oneof![1..=5u16, 1..=100u16], 1..=12), seed in any::<u64>(),
    ) {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight.into()));
        let exact: Vec<_> = weights.iter().map(|&weight| usize::from(weight) / divisor).collect();
        let turn: usize = exact.iter().sum();
        let now = epoch();
        let firsts: Vec<_> = (0..turn * 2).map(|_| first(&mut balancer, now)).collect();
        prop_assert_eq!(shares(&firsts[..turn], weights.len()), exact);
        // A window slides exactly when what enters it is what leaves it.
        prop_assert_eq!(&firsts[..turn], &firsts[turn..]);
    }

    #[test]
    fn requests_that_stick_do_not_disturb_the_others(
        weights in vec((0..3u16, 1..=1000u16), 1..=64), seed in any::<u64>(), sticks in vec(0..64usize, 0..100),
    ) {
        let backends = weights.into_iter().map(|(priority, weight)| Backend::new(priority, weight));
        let mut plain = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let mut mixed = plain.clone();
        let ids: Vec<_> = mixed.ids().collect();
        let now = epoch();
        for stick in sticks {
            let id = ids[stick % ids.len()];
            let stuck = mixed.pick(now, Preference::Stick(id), &mut Tried::new());
            prop_assert_eq!(stuck, Some(id));
            prop_assert_eq!(first(&mut plain, now), first(&mut mixed, now));
        }
    }
}

#[test]
fn processes_that_serve_one_request_each_share_by_weight() {
    for (weights, first_share) in [([1, 1], 0.5), ([3, 1], 0.75), ([100, 1], 100.0 / 101.0)] {
        for offset in [1, 1 << 40] {
            let served = (0..10_000).filter(|seed| {
                let config = Config::default().with_seed(offset + seed);
                let backends = weights.map(|weight| Backend::new(10, weight));
                first(&mut Balancer::new(config, backends).unwrap(), epoch()) == 0
            });
            let share = served.count() as f64 / 10_000.0;
            assert!((share - first_share).abs() < 0.02, "{weights:?}: {share}");
        }
    }
}
