//! The operator's part: modes, and a list that changes.

mod support;

use std::time::Instant;

use policy_ha::{
    Backend, BackendId, Balancer, Config, ConfigError, Mode, Outcome, Preference, Status, Tried,
};
use support::{REFUSED, epoch, secs};

fn balancer<const N: usize>() -> (Balancer, [BackendId; N]) {
    let balancer = Balancer::new(Config::default(), [Backend::default(); N]).unwrap();
    let ids: Vec<_> = balancer.ids().collect();
    (balancer, ids.try_into().unwrap())
}

/// A request that nobody answers: everybody it was offered.
fn round(balancer: &mut Balancer, now: Instant, preference: Preference) -> Vec<usize> {
    let mut tried = Tried::new();
    let offers = std::iter::from_fn(|| balancer.pick(now, preference, &mut tried));
    offers.map(BackendId::index).collect()
}

#[test]
fn a_drained_backend_gets_only_what_sticks_to_it() {
    let (mut balancer, [one, other]) = balancer();
    let now = epoch();
    balancer.set_mode(one, Mode::Drain);
    assert_eq!(balancer.mode(one), Mode::Drain);
    for preference in [
        Preference::None,
        Preference::Hash(1),
        Preference::Stick(other),
    ] {
        assert_eq!(round(&mut balancer, now, preference), [1]);
    }
    for preference in [Preference::Stick(one), Preference::StickOrHash(one, 1)] {
        assert_eq!(round(&mut balancer, now, preference), [0, 1]);
    }
    // Not while it is down, and not as a last resort.
    balancer.observe(now, one, REFUSED);
    assert_eq!(round(&mut balancer, now, Preference::Stick(one)), [1]);
    balancer.observe(now, other, REFUSED);
    assert_eq!(round(&mut balancer, now, Preference::Stick(one)), [1]);
}

#[test]
fn a_disabled_backend_gets_nothing() {
    let (mut balancer, [one, other]) = balancer();
    let now = epoch();
    balancer.set_mode(one, Mode::Disabled);
    for preference in [
        Preference::None,
        Preference::Stick(one),
        Preference::Hash(1),
    ] {
        assert_eq!(round(&mut balancer, now, preference), [1]);
    }
    balancer.set_mode(other, Mode::Disabled);
    assert_eq!(round(&mut balancer, now, Preference::Stick(one)), []);
    assert_eq!(balancer.left(Tried::new()), 0);
    balancer.set_mode(one, Mode::Enabled);
    assert_eq!(round(&mut balancer, now, Preference::None), [0]);
}

#[test]
fn health_is_learned_in_every_mode() {
    for mode in [Mode::Drain, Mode::Disabled] {
        let (mut balancer, [one, _]) = balancer();
        let now = epoch();
        balancer.set_mode(one, mode);
        assert!(balancer.observe(now, one, REFUSED).is_some());
        assert!(matches!(balancer.status(one), Status::Down { .. }));
        balancer.set_mode(one, Mode::Enabled);
        assert_eq!(round(&mut balancer, now, Preference::None), [1, 0]);
        balancer.set_mode(one, mode);
        assert!(balancer.observe(now, one, Outcome::Success).is_some());
        assert_eq!(balancer.status(one), Status::Up);
    }
}

#[test]
fn a_mode_of_another_balancers_backend_is_harmless() {
    let (mut small, [one, other]) = balancer();
    let foreign = balancer::<64>().1;
    for id in foreign.into_iter().skip(2) {
        small.set_mode(id, Mode::Enabled);
        assert_eq!(small.mode(id), Mode::Disabled);
    }
    assert_eq!([one, other].map(|id| small.mode(id)), [Mode::Enabled; 2]);
    assert_eq!(small.left(Tried::new()), 2);
}

#[test]
fn an_offer_is_a_last_resort_if_it_is_down_and_not_due() {
    let (mut balancer, [a, b, c]) = balancer();
    let start = epoch();
    let mut tried = Tried::new();
    assert!(!tried.is_last_resort());
    for id in [a, b, c] {
        balancer.observe(start, id, REFUSED);
    }
    assert!(balancer.pick(start, Preference::None, &mut tried).is_some());
    assert!(tried.is_last_resort());
    // One that came back meanwhile is none.
    let back = [a, b, c]
        .into_iter()
        .find(|&id| !tried.contains(id))
        .unwrap();
    balancer.observe(start, back, Outcome::Success);
    assert_eq!(
        balancer.pick(start, Preference::Stick(back), &mut tried),
        Some(back)
    );
    assert!(!tried.is_last_resort());
    // A trial is none either.
    let mut tried = Tried::new();
    balancer.observe(start, back, REFUSED);
    let due = start + secs(10);
    for _ in 0..3 {
        assert!(balancer.pick(due, Preference::None, &mut tried).is_some());
        assert!(!tried.is_last_resort());
    }
}

#[test]
fn those_that_stay_keep_their_health_and_their_mode() {
    let (mut old, [a, b, c, d]) = balancer();
    let start = epoch();
    let long = Outcome::Failure { took: secs(30) };
    old.observe(start, b, long);
    old.set_mode(c, Mode::Drain);
    old.set_mode(d, Mode::Disabled);

    let list = [Some(d), None, Some(c), Some(b), Some(a)];
    let list = list.map(|known| (Backend::default(), known));
    let mut new = old.renewed(Config::default(), list).unwrap();
    let ids: Vec<_> = new.ids().collect();
    let states: Vec<_> = ids
        .iter()
        .map(|&id| (new.status(id), new.mode(id)))
        .collect();
    assert_eq!(
        states,
        [
            (Status::Up, Mode::Disabled),
            (Status::Up, Mode::Enabled),
            (Status::Up, Mode::Drain),
            (old.status(b), Mode::Enabled),
            (Status::Up, Mode::Enabled),
        ]
    );
    for _ in 0..10 {
        let mut order = round(&mut new, start, Preference::None);
        assert_eq!(order.pop(), Some(3), "it is down");
        order.sort_unstable();
        assert_eq!(order, [1, 4]);
    }
    // The backoff goes on doubling where it was.
    let Status::Down { due, .. } = old.status(b) else {
        unreachable!("it was down")
    };
    for balancer in [&mut old, &mut new] {
        round(balancer, due, Preference::None);
    }
    assert_eq!(new.status(ids[3]), old.status(b));
}

#[test]
fn a_list_that_cannot_work_is_refused_when_renewed_too() {
    let (old, [a, ..]) = balancer::<64>();
    let renewed = |list: Vec<Option<BackendId>>| {
        let list = list.into_iter().map(|known| (Backend::default(), known));
        old.renewed(Config::default(), list).map(|new| new.len())
    };
    assert_eq!(renewed(vec![]), Err(ConfigError::NoBackends));
    assert_eq!(
        renewed(vec![Some(a); 65]),
        Err(ConfigError::TooManyBackends)
    );
    // Unknown there is new here.
    let (small, _) = balancer::<1>();
    let list = old.ids().map(|id| (Backend::default(), Some(id)));
    let grown = small.renewed(Config::default(), list).unwrap();
    assert!(grown.ids().all(|id| grown.mode(id) == Mode::Enabled));
    assert!(grown.ids().all(|id| grown.status(id) == Status::Up));
    assert_eq!(grown.left(Tried::new()), 64);
}

#[test]
fn new_weights_share_as_if_they_had_been_there_from_the_start() {
    for seed in [0, 7] {
        let config = Config::default().with_seed(seed);
        let backends = |weights: [u16; 3]| weights.map(|weight| Backend::new(10, weight));
        let mut changed = Balancer::new(config, backends([1, 1, 1])).unwrap();
        let mut new = Balancer::new(config, backends([5, 1, 3])).unwrap();
        let ids: Vec<_> = changed.ids().collect();
        let now = epoch();
        for _ in 0..7 {
            _ = changed.pick(now, Preference::None, &mut Tried::new());
        }
        changed.set_weight(ids[0], 5).unwrap();
        changed.set_weight(ids[2], 3).unwrap();
        for key in 0..1000 {
            for preference in [Preference::None, Preference::Hash(key)] {
                let picked = [&mut changed, &mut new]
                    .map(|balancer| balancer.pick(now, preference, &mut Tried::new()));
                assert_eq!(picked[0], picked[1], "{key} {preference:?}");
            }
        }
    }
}

#[test]
fn a_weight_out_of_range_changes_nothing_and_health_and_mode_stay() {
    let (mut balancer, [one, other]) = balancer();
    let now = epoch();
    balancer.set_mode(other, Mode::Drain);
    balancer.observe(now, one, REFUSED);
    let down = balancer.status(one);
    for weight in [0, Backend::MAX_WEIGHT + 1] {
        assert_eq!(
            balancer.set_weight(one, weight),
            Err(ConfigError::Weight { index: 0, weight })
        );
        assert_eq!(balancer.weight(one), 1);
    }
    balancer.set_weight(one, 9).unwrap();
    assert_eq!((balancer.weight(one), balancer.weight(other)), (9, 1));
    assert_eq!(
        (balancer.status(one), balancer.mode(other)),
        (down, Mode::Drain)
    );
    let elsewhere = BackendId::new(5).unwrap();
    balancer.set_weight(elsewhere, 3).unwrap();
    assert_eq!(balancer.weight(elsewhere), 0);
}
