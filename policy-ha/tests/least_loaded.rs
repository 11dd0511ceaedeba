//! The least loaded first, for its weight.

mod support;

use std::time::Instant;

use policy_ha::{Backend, BackendId, Balancer, Config, Preference, Tried};
use support::{REFUSED, epoch, secs};

fn balancer<const N: usize>(weights: [u16; N]) -> (Balancer, [BackendId; N]) {
    let backends = weights.map(|weight| Backend::new(10, weight));
    let balancer = Balancer::new(Config::default(), backends).unwrap();
    let ids: Vec<_> = balancer.ids().collect();
    (balancer, ids.try_into().unwrap())
}

/// Whom each of some requests is offered first.
fn firsts(balancer: &mut Balancer, now: Instant, loads: &[u32], requests: usize) -> Vec<usize> {
    let load = |id: BackendId| loads[id.index()];
    let first = |_| balancer.pick_least_loaded(now, Preference::None, &mut Tried::new(), load);
    (0..requests)
        .filter_map(first)
        .map(BackendId::index)
        .collect()
}

#[test]
fn of_equal_weights_the_lowest_load_is_asked_and_equals_take_turns() {
    let (mut balancer, _) = balancer([1; 4]);
    let now = epoch();
    assert_eq!(firsts(&mut balancer, now, &[3, 1, 2, 1], 4), [1, 3, 1, 3]);
    assert_eq!(firsts(&mut balancer, now, &[u32::MAX; 4], 4), [0, 1, 2, 3]);
}

#[test]
fn backends_at_rest_share_by_weight() {
    let (mut balancer, _) = balancer([3, 1]);
    let now = epoch();
    assert_eq!(
        firsts(&mut balancer, now, &[0, 0], 8),
        [0, 0, 1, 0, 0, 0, 1, 0]
    );
}

#[test]
fn requests_that_stay_are_shared_by_weight_at_each_moment() {
    for weights in [[3, 1, 2], [1000, 999, 1], [100, 50, 7]] {
        let (mut balancer, _) = balancer(weights);
        let now = epoch();
        let total: u32 = weights.iter().copied().map(u32::from).sum();
        let mut loads = [0; 3];
        for sum in 1..=2 * total {
            loads[firsts(&mut balancer, now, &loads, 1)[0]] += 1;
            for (load, weight) in loads.into_iter().zip(weights) {
                // Never two requests from what would be exact.
                let exact = f64::from(sum) * f64::from(weight) / f64::from(total);
                assert!(
                    (f64::from(load) - exact).abs() < 2.0,
                    "{loads:?} of {weights:?}"
                );
            }
        }
    }
}

#[test]
fn a_backend_that_is_due_is_asked_neither_first_nor_never_and_once() {
    for load in [0, 1, 100, u32::MAX] {
        let (mut balancer, [_, down, _]) = balancer([1; 3]);
        let start = epoch();
        balancer.observe(start, down, REFUSED);
        assert_eq!(firsts(&mut balancer, start, &[1, load, 1], 4), [0, 2, 0, 2]);
        let now = start + secs(2);
        let order = firsts(&mut balancer, now, &[1, load, 1], 100);
        let trials: Vec<_> = (0..100).filter(|&at| order[at] == down.index()).collect();
        assert_eq!(trials, [1], "with a load of {load}");
    }
}

#[test]
fn a_key_comes_before_the_load() {
    let (mut balancer, _) = balancer([1; 3]);
    let now = epoch();
    for key in 0..20 {
        let by_key = balancer.pick(now, Preference::Hash(key), &mut Tried::new());
        let load = |id| u32::from(Some(id) == by_key);
        let mut tried = Tried::new();
        let picked = balancer.pick_least_loaded(now, Preference::Hash(key), &mut tried, load);
        assert_eq!(picked, by_key);
    }
}

#[test]
fn a_request_sticks_whatever_the_load() {
    let (mut balancer, [_, busy, _]) = balancer([1; 3]);
    let mut tried = Tried::new();
    let load = |id| u32::from(id == busy);
    let picked = balancer.pick_least_loaded(epoch(), Preference::Stick(busy), &mut tried, load);
    assert_eq!(picked, Some(busy));
}
