//! Requests that go by a key: shares, what moves, and who is next.

mod support;

use std::time::Instant;

use policy_ha::{Backend, BackendId, Balancer, Config, ConfigError, Preference, Tried};
use support::{REFUSED, epoch};

/// Backends of one priority by name and weight, known by their names.
fn named(backends: &[(&str, u16)]) -> Balancer {
    let backends = backends
        .iter()
        .map(|&(name, weight)| Backend::new(10, weight).with_key(policy_ha::key([name])));
    Balancer::new(Config::default(), backends).unwrap()
}

/// A request that nobody answers: everybody it was offered.
fn round(balancer: &mut Balancer, now: Instant, preference: Preference) -> Vec<usize> {
    let mut tried = Tried::new();
    let offers = std::iter::from_fn(|| balancer.pick(now, preference, &mut tried));
    offers.map(BackendId::index).collect()
}

fn owner(balancer: &mut Balancer, now: Instant, key: u64) -> usize {
    let owner = balancer.pick(now, Preference::Hash(key), &mut Tried::new());
    owner.unwrap().index()
}

#[test]
fn who_has_a_key_is_fixed_for_ever() {
    // By another implementation, with logarithms of 50 digits.
    let mut balancer = named(&[
        ("greylist1", 1),
        ("greylist2", 1),
        ("greylist3", 2),
        ("far away", 10),
    ]);
    let now = epoch();
    let owners: Vec<_> = (0..32).map(|key| owner(&mut balancer, now, key)).collect();
    assert_eq!(
        owners,
        [
            3, 0, 3, 3, 0, 3, 0, 3, 3, 3, 3, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 3, 3, 3,
            3, 0, 3
        ]
    );
    // Without names they are known by their places.
    let mut balancer = Balancer::new(Config::default(), [Backend::default(); 5]).unwrap();
    let users = (0..32).map(|n| policy_ha::key([format!("user{n}@example.com")]));
    let owners: Vec<_> = users.map(|key| owner(&mut balancer, now, key)).collect();
    assert_eq!(
        owners,
        [
            4, 2, 3, 0, 3, 2, 3, 4, 1, 3, 0, 4, 3, 4, 4, 3, 4, 1, 1, 4, 1, 1, 0, 3, 3, 0, 1, 4, 2,
            2, 3, 2
        ]
    );
}

#[test]
fn neither_the_seed_nor_the_order_of_the_list_matters() {
    let list = ["a", "b", "c", "d"];
    let mut one = named(&list.map(|name| (name, 1)));
    let mut reversed = list;
    reversed.reverse();
    let backends = reversed.map(|name| Backend::default().with_key(policy_ha::key([name])));
    let mut other = Balancer::new(Config::default().with_seed(7), backends).unwrap();
    let now = epoch();
    for key in 0..1_000 {
        let owner = list[owner(&mut one, now, key)];
        assert_eq!(reversed[self::owner(&mut other, now, key)], owner);
    }
}

#[test]
fn when_one_of_many_leaves_only_its_share_moves() {
    let now = epoch();
    for (backends, keys) in [(2, 100_000), (5, 200_000), (16, 300_000)] {
        let with_key = |n| Backend::default().with_key(n);
        let all = (0..backends).map(with_key);
        let mut before = Balancer::new(Config::default(), all).unwrap();
        let rest = (1..backends).map(with_key);
        let mut after = Balancer::new(Config::default(), rest).unwrap();
        let mut moved = 0;
        for key in 0..keys {
            let was = owner(&mut before, now, key);
            let is = owner(&mut after, now, key) + 1;
            assert!(was == 0 || was == is, "key {key} moved from {was} to {is}");
            moved += u64::from(was == 0);
        }
        let share = moved as f64 * backends as f64 / keys as f64;
        assert!((share - 1.0).abs() < 0.02, "{share} of 1/{backends}");
    }
}

#[test]
fn keys_are_shared_by_weight() {
    let now = epoch();
    for weights in [&[1, 2, 5, 10][..], &[1; 4], &[1000, 999, 500]] {
        let backends = weights.iter().map(|&weight| Backend::new(10, weight));
        let mut balancer = Balancer::new(Config::default(), backends).unwrap();
        let mut served = vec![0; weights.len()];
        let keys = 1_000_000;
        for key in 0..keys {
            served[owner(&mut balancer, now, key)] += 1;
        }
        let total: u16 = weights.iter().sum();
        for (count, &weight) in served.into_iter().zip(weights) {
            let exact = keys as f64 * f64::from(weight) / f64::from(total);
            // Chance alone: some 0.4 % for the smallest.
            assert!(
                (f64::from(count) / exact - 1.0).abs() < 0.01,
                "{count} of {exact}"
            );
        }
    }
}

#[test]
fn a_request_that_failed_goes_where_its_key_would_belong_without_the_first() {
    let mut all = named(&[("a", 3), ("b", 1), ("c", 2), ("d", 1)]);
    let now = epoch();
    for key in 0..100 {
        let order = round(&mut all, now, Preference::Hash(key));
        let mut expected = Vec::new();
        let mut fewer = all.clone();
        for _ in 0..4 {
            let next = owner(&mut fewer, now, key);
            expected.push(next);
            fewer.observe(now, fewer.ids().nth(next).unwrap(), REFUSED);
            if expected.len() == 3 {
                expected.extend((0..4).filter(|n| !order[..3].contains(n)));
                break;
            }
        }
        assert_eq!(order, expected);
    }
}

#[test]
fn keys_do_not_count_as_turns() {
    let mut balancer = named(&[("a", 3), ("b", 1)]);
    let mut plain = balancer.clone();
    let now = epoch();
    for key in 0..100 {
        owner(&mut balancer, now, key);
        let [mixed, alone] = [&mut balancer, &mut plain]
            .map(|balancer| balancer.pick(now, Preference::None, &mut Tried::new()));
        assert_eq!(mixed, alone);
    }
}

#[test]
fn a_request_may_stick_first_and_go_by_its_key_then() {
    let mut balancer = named(&[("a", 1), ("b", 1), ("c", 1)]);
    let ids: Vec<_> = balancer.ids().collect();
    let now = epoch();
    for key in 0..20 {
        for &id in &ids {
            let by_key = round(&mut balancer, now, Preference::Hash(key));
            let order = round(&mut balancer, now, Preference::StickOrHash(id, key));
            let others = by_key.into_iter().filter(|&index| index != id.index());
            assert_eq!(order[0], id.index());
            assert!(others.eq(order[1..].iter().copied()));
        }
    }
    let down = ids[0];
    balancer.observe(now, down, REFUSED);
    for key in 0..20 {
        let [by_key, order] = [Preference::Hash(key), Preference::StickOrHash(down, key)]
            .map(|preference| round(&mut balancer, now, preference));
        assert_eq!(order, by_key);
    }
}

#[test]
fn priorities_come_before_keys() {
    let backends = [(20, 1000), (10, 1), (20, 1000)];
    let backends = backends.map(|(priority, weight)| Backend::new(priority, weight));
    let mut balancer = Balancer::new(Config::default(), backends).unwrap();
    let now = epoch();
    assert!((0..50).all(|key| owner(&mut balancer, now, key) == 1));
}

#[test]
fn two_backends_with_one_key_are_refused() {
    let new = |keys: [Option<u64>; 3]| {
        let backends = keys
            .map(|key| key.map_or_else(Backend::default, |key| Backend::default().with_key(key)));
        Balancer::new(Config::default(), backends).map(|_| ())
    };
    assert_eq!(new([Some(7), Some(8), Some(9)]), Ok(()));
    assert_eq!(new([None, None, None]), Ok(()));
    assert_eq!(
        new([Some(7), Some(8), Some(7)]),
        Err(ConfigError::Key { index: 2 })
    );
    // The place of another.
    assert_eq!(
        new([None, Some(0), None]),
        Err(ConfigError::Key { index: 1 })
    );
}
