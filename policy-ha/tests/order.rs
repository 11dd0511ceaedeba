//! The order in which backends are asked: stories of a few requests, one rule each.

mod support;

use std::time::Instant;

use policy_ha::{
    Backend, BackendId, Balancer, Config, ConfigError, Outcome, Preference, Status, Transition,
    Tried,
};
use support::{REFUSED, epoch, secs};

fn balancer<const N: usize>(backends: [(u16, u16); N]) -> (Balancer, [BackendId; N]) {
    let backends = backends.map(|(priority, weight)| Backend::new(priority, weight));
    let balancer = Balancer::new(Config::default(), backends).unwrap();
    let ids: Vec<_> = balancer.ids().collect();
    (balancer, ids.try_into().unwrap())
}

/// A request that nobody answers: everybody it was offered.
fn round(balancer: &mut Balancer, now: Instant, preference: Preference) -> Vec<usize> {
    let mut tried = Tried::new();
    let offers = std::iter::from_fn(|| balancer.pick(now, preference, &mut tried));
    offers.map(BackendId::index).collect()
}

/// Whom each of some requests is offered first.
fn firsts(balancer: &mut Balancer, now: Instant, requests: usize) -> Vec<usize> {
    let first = |_| balancer.pick(now, Preference::None, &mut Tried::new());
    (0..requests)
        .filter_map(first)
        .map(BackendId::index)
        .collect()
}

#[test]
fn lower_priorities_come_first_however_they_are_listed() {
    let (mut balancer, _) = balancer([(20, 1), (u16::MAX, 1), (0, 1), (10, 1)]);
    for _ in 0..3 {
        assert_eq!(
            round(&mut balancer, epoch(), Preference::None),
            [2, 3, 0, 1]
        );
    }
}

#[test]
fn a_request_that_failed_goes_on_within_the_priority_first() {
    let (mut balancer, _) = balancer([(10, 1), (20, 1), (10, 1)]);
    assert_eq!(round(&mut balancer, epoch(), Preference::None), [0, 2, 1]);
    assert_eq!(round(&mut balancer, epoch(), Preference::None), [2, 0, 1]);
}

#[test]
fn one_that_returns_leaves_the_others_as_they_were() {
    let (mut balancer, ids) = balancer([(10, 1), (10, 1), (20, 1), (20, 1)]);
    let now = epoch();
    let [main, .., other] = ids;
    for (id, outcome) in [(main, REFUSED), (other, REFUSED), (main, Outcome::Success)] {
        balancer.observe(now, id, outcome);
    }
    for (id, is_up) in ids.into_iter().zip([true, true, true, false]) {
        let mut tried = Tried::new();
        let picked = balancer.pick(now, Preference::Stick(id), &mut tried);
        assert_eq!(picked == Some(id), is_up, "who sticks to it: {id:?}");
        assert!(!tried.is_last_resort());
    }
}

#[test]
fn a_backend_that_is_down_is_asked_last() {
    let (mut balancer, [main, ..]) = balancer([(10, 1), (10, 1), (20, 1)]);
    let now = epoch();
    balancer.observe(now, main, REFUSED);
    assert_eq!(round(&mut balancer, now, Preference::None), [1, 2, 0]);
    assert_eq!(firsts(&mut balancer, now, 3), [1, 1, 1]);
}

#[test]
fn of_those_down_the_soonest_due_is_asked_first() {
    let (mut balancer, [a, b, c]) = balancer([(10, 1), (20, 1), (30, 1)]);
    let now = epoch() + secs(100);
    for (id, took) in [(a, secs(30)), (b, secs(10)), (c, secs(20))] {
        balancer.observe(now, id, Outcome::Failure { took });
    }
    assert_eq!(round(&mut balancer, now, Preference::None), [1, 2, 0]);
}

#[test]
fn of_those_due_at_the_same_moment_priority_then_place_decides() {
    let (mut balancer, ids) = balancer([(20, 1), (10, 1), (10, 1)]);
    let now = epoch();
    for id in ids {
        balancer.observe(now, id, REFUSED);
        // Later than any spread of the first backoff: the same for all.
        balancer.observe(now, id, Outcome::Failure { took: secs(2) });
    }
    assert_eq!(round(&mut balancer, now, Preference::None), [1, 2, 0]);
}

#[test]
fn a_backend_that_is_due_takes_its_turn_among_its_priority() {
    let (mut balancer, [main, second, reserve]) = balancer([(10, 1), (10, 1), (20, 1)]);
    let start = epoch();
    for id in [main, reserve] {
        balancer.observe(start, id, REFUSED);
    }
    let now = start + secs(2);
    // One trial of `main`, in its turn; and none of the reserve, though it is due too.
    assert_eq!(firsts(&mut balancer, now, 4), [0, 1, 1, 1]);
    assert_eq!(balancer.status(second), Status::Up);
    assert!(matches!(balancer.status(reserve), Status::Down { due, .. } if due <= now));
}

#[test]
fn a_request_pays_for_one_trial_while_another_backend_is_up() {
    let (mut balancer, [one, other, _]) = balancer([(10, 1), (10, 1), (20, 1)]);
    let start = epoch();
    for id in [one, other] {
        balancer.observe(start, id, REFUSED);
    }
    let now = start + secs(2);
    assert_eq!(round(&mut balancer, now, Preference::None), [0, 2, 1]);
}

#[test]
fn one_request_goes_to_see_and_its_success_brings_the_others() {
    let (mut balancer, [main, _]) = balancer([(10, 1), (20, 1)]);
    let start = epoch();
    balancer.observe(start, main, REFUSED);
    let now = start + secs(2);
    assert_eq!(firsts(&mut balancer, now, 5), [0, 1, 1, 1, 1]);
    balancer.observe(now, main, Outcome::Success);
    assert_eq!(firsts(&mut balancer, now, 5), [0; 5]);
}

#[test]
fn a_trial_that_is_cancelled_is_repeated_after_the_next_backoff() {
    let (mut balancer, [main, _]) = balancer([(10, 1), (20, 1)]);
    let start = epoch();
    balancer.observe(start, main, REFUSED);
    assert_eq!(firsts(&mut balancer, start + secs(2), 2), [0, 1]);
    // Two seconds, or two and a half, after the first.
    assert_eq!(firsts(&mut balancer, start + secs(3), 2), [1, 1]);
    assert_eq!(firsts(&mut balancer, start + secs(5), 2), [0, 1]);
}

#[test]
fn a_request_sticks_to_its_backend_whatever_the_priority() {
    let (mut balancer, [_, _, reserve]) = balancer([(10, 1), (15, 1), (20, 1)]);
    let stick = Preference::Stick(reserve);
    assert_eq!(round(&mut balancer, epoch(), stick), [2, 0, 1]);
}

#[test]
fn nothing_sticks_to_a_backend_that_is_down_even_if_due() {
    let (mut balancer, [_, _, reserve]) = balancer([(10, 1), (10, 1), (20, 1)]);
    let now = epoch();
    balancer.observe(now, reserve, REFUSED);
    for later in [secs(0), secs(2)] {
        let order = round(&mut balancer, now + later, Preference::Stick(reserve));
        assert_eq!(order[2], 2, "{order:?}");
    }
}

#[test]
fn sticking_does_not_count_as_a_turn() {
    let (mut balancer, [main, _]) = balancer([(10, 1), (10, 1)]);
    for _ in 0..100 {
        balancer
            .pick(epoch(), Preference::Stick(main), &mut Tried::new())
            .unwrap();
    }
    assert_eq!(firsts(&mut balancer, epoch(), 4), [0, 1, 0, 1]);
}

#[test]
fn an_outage_is_not_made_up_for_afterwards() {
    let (mut balancer, [_, second]) = balancer([(10, 1), (10, 1)]);
    let start = epoch();
    balancer.observe(start, second, REFUSED);
    assert_eq!(firsts(&mut balancer, start, 100), [0; 100]);
    balancer.observe(start, second, Outcome::Success);
    let after = firsts(&mut balancer, start, 10);
    assert_eq!(
        after.iter().filter(|&&index| index == 1).count(),
        5,
        "{after:?}"
    );
}

#[test]
fn a_poisonous_request_does_not_take_out_a_server_that_answers_others() {
    let (mut balancer, [main, _]) = balancer([(10, 1), (20, 1)]);
    let start = epoch();
    // It hangs for 10 seconds while another request is answered.
    balancer.observe(start + secs(4), main, Outcome::Success);
    let hung = Outcome::Failure { took: secs(10) };
    assert_eq!(balancer.observe(start + secs(10), main, hung), None);
    assert_eq!(balancer.status(main), Status::Up);
    assert_eq!(firsts(&mut balancer, start + secs(10), 2), [0, 0]);
}

#[test]
fn a_seed_means_the_same_for_ever() {
    let backends = [(10, 3), (20, 1), (10, 2), (20, 1), (10, 1)];
    let backends = backends.map(|(priority, weight)| Backend::new(priority, weight));
    let orders = [0, 1, 2, 3, u64::MAX].map(|seed| {
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        round(&mut balancer, epoch(), Preference::None)
    });
    assert_eq!(
        orders,
        [
            [0, 4, 2, 1, 3],
            [0, 2, 4, 3, 1],
            [2, 4, 0, 3, 1],
            [4, 0, 2, 1, 3],
            [0, 2, 4, 3, 1]
        ]
    );

    // In microseconds; the first backoff of a second, stretched by up to a quarter.
    let stretched = [0, 1].map(|seed| {
        let mut balancer = Balancer::new(Config::default().with_seed(seed), backends).unwrap();
        let now = epoch();
        let ids: Vec<_> = balancer.ids().take(3).collect();
        [0, 1, 2].map(|index| match balancer.observe(now, ids[index], REFUSED) {
            Some(Transition::Down { due_in, .. }) => due_in.as_micros() - 1_000_000,
            other => unreachable!("{other:?} instead of down"),
        })
    });
    assert_eq!(stretched, [[60024, 33781, 78639], [195027, 104837, 138115]]);
}

#[test]
fn ids_of_another_balancer_are_harmless() {
    let (mut small, _) = balancer([(10, 1), (10, 1)]);
    let foreign = balancer([(10, 1); 64]).1;
    let now = epoch();
    for id in foreign[2..].iter().copied() {
        assert_eq!(small.observe(now, id, REFUSED), None);
        assert_eq!(small.observe(now, id, Outcome::Success), None);
        assert_eq!(small.status(id), Status::Up);
        let mut order = round(&mut small, now, Preference::Stick(id));
        order.sort_unstable();
        assert_eq!(order, [0, 1]);
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let config = Config::default();
    let new = |backends: Vec<Backend>| Balancer::new(config, backends).map(|b| b.len());
    assert_eq!(new(vec![]), Err(ConfigError::NoBackends));
    assert_eq!(new(vec![Backend::default(); 64]), Ok(64));
    assert_eq!(
        new(vec![Backend::default(); 65]),
        Err(ConfigError::TooManyBackends)
    );
    assert_eq!(new(vec![Backend::new(10, 1000)]), Ok(1));
    for weight in [0, 1001] {
        let backends = vec![Backend::default(), Backend::new(10, weight)];
        assert_eq!(new(backends), Err(ConfigError::Weight { index: 1, weight }));
    }
    let endless = Balancer::new(config, std::iter::repeat(Backend::default()));
    assert_eq!(endless.unwrap_err(), ConfigError::TooManyBackends);
    let never = Balancer::new(config.with_max_failures(0), [Backend::default()]);
    assert_eq!(never.unwrap_err(), ConfigError::MaxFailures);
}

#[test]
fn errors_say_what_is_wrong_in_one_line() {
    let lines = [
        (ConfigError::NoBackends, "there are no backends"),
        (
            ConfigError::TooManyBackends,
            "there are more than 64 backends",
        ),
        (
            ConfigError::Weight {
                index: 3,
                weight: 1001,
            },
            "weight 1001 of the backend at index 3 is not within 1 to 1000",
        ),
        (
            ConfigError::MaxFailures,
            "max_failures is 0, it must be at least 1",
        ),
    ];
    for (error, line) in lines {
        assert_eq!(error.to_string(), line);
    }
}
