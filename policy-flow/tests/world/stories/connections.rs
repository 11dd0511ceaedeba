//! Connections that are kept, and how they end.

use std::time::Duration;

use policy_flow::Retry;

use super::{asks, ill, lives, plan, policy, reserve};
use crate::{
    plan::{Client, Service, Span, millis, secs},
    trouble::Trouble,
};

#[test]
fn connections_that_died_without_a_word_cost_one_timeout_however_many_were_kept() {
    for is_alone in [true, false] {
        let mut world = plan([ill(secs(20), Trouble::Forgets)]);
        if !is_alone {
            world.services.push(reserve());
        }
        // Five connections are kept.
        world.clients = vec![asks(millis(10), policy(1)); 5];
        world.services[0].keep = secs(300);
        let at = |at| Client {
            at: secs(at),
            ..asks(secs(2), policy(20))
        };
        // The first of them finds out, one goes to see, and then come several at once.
        world.clients.extend([30, 54, 56, 56, 56, 56].map(at));
        let told = lives(&world);
        assert_eq!(told.count("failed at service 0"), 1);
        assert_eq!(told.counts.defaults, u64::from(is_alone));
        let late = told.replies().into_iter().filter(|reply| reply.took > 100);
        assert_eq!(
            late.map(|reply| reply.took).collect::<Vec<_>>(),
            [if is_alone { 10_000 } else { 10_006 }]
        );
    }
}

#[test]
fn one_newline_too_many_harms_nobody_whenever_it_comes() {
    for gap in [0, 1, 3, 20] {
        for think in [0, 2, 50] {
            let mut world = plan([
                ill(Duration::ZERO, Trouble::ExtraNewline(millis(gap))),
                reserve(),
            ]);
            world.clients = vec![asks(millis(think), policy(30)); 2];
            let told = lives(&world);
            told.is_well();
            assert!(told.replies().iter().all(|reply| reply.by == Some(0)));
            assert_eq!(
                told.counts.connects, 2,
                "they are kept: {gap} ms, {think} ms"
            );
        }
    }
}

#[test]
fn with_unsent_a_server_that_closes_when_idle_costs_nothing() {
    let mut world = plan([Service::default()]);
    world.settings.retry = Retry::Unsent;
    world.services[0].servers[0].closes_idle = Some(secs(5));
    world.clients = vec![asks(secs(10), policy(10))];
    // The end and the next request are heard of in one moment, in whichever order.
    world.pauses = (1..10)
        .map(|nth| (0, Span::new(secs(10 * nth + 2), secs(9))))
        .collect();
    for seed in 0..10 {
        world.seed = seed;
        lives(&world).is_well();
    }
}

#[test]
fn with_unsent_a_server_that_is_not_to_be_asked_after_a_time_is_not() {
    let mut world = plan([Service::default()]);
    world.settings.retry = Retry::Unsent;
    world.services[0].keep = secs(3);
    // At the same moment as its end comes the request that would be lost.
    world.services[0].servers[0].closes_idle = Some(secs(5));
    world.services[0].servers[0].way = millis(40);
    world.clients = vec![asks(secs(5), policy(10))];
    lives(&world).is_well();
}

#[test]
fn an_answer_that_is_none_costs_its_connection_and_gives_one_permit_back() {
    let mut world = plan([ill(Duration::ZERO, Trouble::Garbage)]);
    world.clients = vec![asks(millis(10), policy(3))];
    assert_eq!(lives(&world).counts.defaults, 3);
}
