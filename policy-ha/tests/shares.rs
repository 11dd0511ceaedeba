//! Shares by weight: exact for one balancer, near enough for many that serve one request each.

mod support;

use std::iter;

use policy_ha::{Backend, Balancer, Config, Preference, Tried};
use proptest::{collection::vec, prelude::*};
use support::{By, Wish, epoch, gcd, shares};

const BY_TURN: Wish = Wish::by(By::Turn);

proptest! {
    #[test]
    fn every_window_of_a_full_turn_is_shared_exactly_by_weight(
        weights in vec(prop_oneof![1..=5u16, 1..=100u16], 1..=12), seed in any::<u64>(),
    ) {
        let mut balancer = with_weights(&weights, seed);
        let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight.into()));
        let exact: Vec<_> = weights.iter().map(|&weight| usize::from(weight) / divisor).collect();
        let turn: usize = exact.iter().sum();
        let now = epoch();
        let firsts = iter::from_fn(|| BY_TURN.first(&mut balancer, now));
        let firsts: Vec<_> = firsts.take(turn * 2).collect();
        prop_assert_eq!(shares(&firsts[..turn], weights.len()), exact);
        // A window slides exactly when what enters it is what leaves it.
        prop_assert_eq!(&firsts[..turn], &firsts[turn..]);
    }

    #[test]
    fn backends_at_rest_share_as_exactly_by_load_as_by_turn(
        weights in vec(1..=100u16, 1..=12), seed in any::<u64>(),
    ) {
        let [mut by_load, mut by_turn] = [(); 2].map(|()| with_weights(&weights, seed));
        let now = epoch();
        for _ in 0..100 {
            let first = Wish::by(By::Load(0)).first(&mut by_load, now);
            prop_assert_eq!(first, BY_TURN.first(&mut by_turn, now));
        }
    }

    #[test]
    fn neither_what_sticks_nor_what_goes_by_key_disturbs_the_others(
        weights in vec((0..3u16, 1..=1000u16), 1..=64),
        seed in any::<u64>(),
        others in vec((0..64usize, any::<u64>()), 0..100),
    ) {
        let backends = weights.into_iter().map(|(priority, weight)| Backend::new(priority, weight));
        let mut plain = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let mut mixed = plain.clone();
        let ids: Vec<_> = mixed.ids().collect();
        let now = epoch();
        for (stick, key) in others {
            let id = ids[stick % ids.len()];
            for preference in [Preference::Stick(id), Preference::StickOrHash(id, key)] {
                let stuck = mixed.pick(now, preference, &mut Tried::new());
                prop_assert_eq!(stuck, Some(id));
            }
            Wish::by(By::Key(key)).round(&mut mixed, now);
            prop_assert_eq!(BY_TURN.first(&mut plain, now), BY_TURN.first(&mut mixed, now));
        }
    }
}

#[test]
fn processes_that_serve_one_request_each_share_by_weight() {
    for weights in [&[1, 1][..], &[3, 1], &[100, 1], &[1, 2, 3, 4]] {
        for (by, offset) in [(By::Turn, 1), (By::Turn, 1 << 40), (By::Load(0), 1)] {
            let firsts: Vec<_> = (offset..offset + 10_000)
                .filter_map(|seed| Wish::by(by).first(&mut with_weights(weights, seed), epoch()))
                .collect();
            assert_shares(&firsts, weights, 0.02);
        }
    }
}

/// If all of them went on to the same backend, then it would be asked twice as often as it can bear.
#[test]
fn what_a_dead_backend_leaves_is_shared_by_weight_even_among_such_processes() {
    for weights in [[1, 1, 1, 1], [3, 2, 1, 1], [100, 10, 1, 50]] {
        for (by, offset) in [(By::Turn, 1), (By::Turn, 1 << 40), (By::Load(0), 1)] {
            let orders: Vec<Vec<usize>> = (offset..offset + 40_000)
                .map(|seed| order(&mut with_weights(&weights, seed), Wish::by(by)))
                .collect();
            assert_later_choices(&orders, &weights);
        }
    }
}

#[test]
fn later_choices_are_shared_by_weight_in_a_process_that_lives_long_and_by_key() {
    let weights = [3, 2, 1, 4];
    for seed in [0, 1, u64::MAX] {
        let mut balancer = with_weights(&weights, seed);
        let by_turn = |_| order(&mut balancer, BY_TURN);
        let orders: Vec<_> = (0..40_000).map(by_turn).collect();
        assert_later_choices(&orders, &weights);

        let by_key = |key| order(&mut balancer, Wish::by(By::Key(key)));
        let orders: Vec<_> = (0..40_000).map(by_key).collect();
        assert_later_choices(&orders, &weights);
    }
}

fn with_weights(weights: &[u16], seed: u64) -> Balancer {
    let backends = weights.iter().map(|&weight| Backend::new(10, weight));
    Balancer::new(Config::default().with_seed(seed), backends).unwrap()
}

fn order(balancer: &mut Balancer, wish: Wish) -> Vec<usize> {
    let round = wish.round(balancer, epoch());
    round.into_iter().map(|id| id.index()).collect()
}

/// Of the requests that began in the same way, the next choices share by the weights of those left.
#[track_caller]
fn assert_later_choices(orders: &[Vec<usize>], weights: &[u16]) {
    let places = 0..weights.len();
    let mut begun: Vec<Vec<usize>> = places.clone().map(|first| vec![first]).collect();
    let pairs = places
        .clone()
        .flat_map(|a| places.clone().map(move |b| vec![a, b]));
    begun.extend(pairs.filter(|pair| pair[0] != pair[1]));
    for begun in begun {
        let next: Vec<_> = orders
            .iter()
            .filter(|order| order.starts_with(&begun))
            .map(|order| order[begun.len()])
            .collect();
        let left: Vec<u16> = (0..)
            .zip(weights)
            .map(|(place, &weight)| if begun.contains(&place) { 0 } else { weight })
            .collect();
        // Five standard deviations, at most.
        assert_shares(&next, &left, 2.5 / (next.len() as f64).sqrt());
    }
}

#[track_caller]
fn assert_shares(places: &[usize], weights: &[u16], tolerance: f64) {
    let total: u16 = weights.iter().sum();
    for (count, &weight) in shares(places, weights.len()).into_iter().zip(weights) {
        let share = count as f64 / places.len().max(1) as f64;
        let exact = f64::from(weight) / f64::from(total);
        assert!(
            (share - exact).abs() < tolerance,
            "{share} instead of {exact} of {weights:?}"
        );
    }
}
