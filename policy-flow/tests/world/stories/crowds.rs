//! Servers with fewer processes than connections, and servers that are only slow.

use std::time::Duration;

use super::{asks, ill, lives, plan, policy, reserve};
use crate::{
    plan::{Client, Service, Span, millis, secs},
    trouble::Trouble,
};

#[test]
fn a_prefork_server_with_fewer_processes_than_connections_answers_all() {
    let mut world = plan([Service::default()]);
    world.services[0].servers[0].processes = Some(5);
    world.services[0].servers[0].works = millis(30);
    // Twelve at once, three times, after 20 s.
    world.clients = vec![asks(secs(20), policy(3)); 12];
    let told = lives(&world);
    told.is_well();
    assert_eq!(told.count("is crowded beyond 5"), 1);
    let mut replies = told.replies().into_iter();
    assert!(replies.all(|reply| reply.took < if reply.sent < 21_000 { 2_200 } else { 500 }));
}

#[test]
fn a_prefork_server_that_is_slow_answers_as_many_as_it_can() {
    for (processes, works, clients) in [(3, 1500, 12), (5, 2500, 12), (3, 600, 12)] {
        let mut world = plan([Service::default()]);
        world.settings.deadline = secs(30);
        world.services[0].servers[0].processes = Some(processes);
        world.services[0].servers[0].works = millis(works);
        world.clients = vec![asks(secs(15), policy(4)); clients];
        lives(&world).is_well();
    }
}

#[test]
fn a_server_that_takes_long_for_each_answer_is_not_taken_for_one_with_few_processes() {
    for works in [1100, 1300, 2900] {
        let mut world = plan([Service::default()]);
        world.settings.deadline = secs(30);
        world.services[0].servers[0].works = millis(works);
        world.clients = (0..24)
            .map(|nth| Client {
                at: millis(150 * nth),
                ..asks(millis(50 * nth), policy(5))
            })
            .collect();
        let told = lives(&world);
        told.is_well();
        for reply in told.replies() {
            assert!(reply.took < works + 50, "{reply:?}");
        }
    }
}

#[test]
fn a_server_with_a_slow_answer_now_and_then_is_not_taken_for_one_with_few_processes() {
    let mut world = plan([Service::default()]);
    world.settings.deadline = secs(30);
    world.services[0].servers[0].troubles = (1..20)
        .map(|nth| {
            (
                Span::new(secs(3 * nth), millis(2)),
                Trouble::Slow(millis(1200)),
            )
        })
        .collect();
    world.clients = (0..20)
        .map(|nth| Client {
            at: millis(7 * nth),
            ..asks(millis(60), policy(600))
        })
        .collect();
    let told = lives(&world);
    told.is_well();
    assert_eq!(told.count("is crowded"), 0);
}

#[test]
fn a_server_that_is_slow_over_a_new_connection_now_and_then_is_not_taken_for_one_with_few_processes()
 {
    let mut world = plan([Service::default()]);
    world.settings.deadline = secs(30);
    world.services[0].keep = secs(5);
    world.services[0].servers[0].works = millis(30);
    // Every ten seconds three come at once, and one more while they are worked on, which is slow. Six seconds later four
    // come at once, and all have their answers at once.
    let slow = |nth: u64| {
        (
            Span::new(millis(10_000 * nth + 8), millis(15)),
            Trouble::Slow(millis(1_200)),
        )
    };
    world.services[0].servers[0].troubles = (0..10).map(slow).collect();
    let burst = |nth: u64| [0, 0, 0, 10, 6_000, 6_000, 6_000, 6_000].map(|at| 10_000 * nth + at);
    world.clients = (0..10)
        .flat_map(burst)
        .map(|at| Client {
            at: millis(at),
            ..asks(Duration::ZERO, policy(1))
        })
        .collect();
    let told = lives(&world);
    told.is_well();
    assert_eq!(told.count("is crowded"), 0);
}

#[test]
fn one_request_that_hangs_is_not_taken_for_a_limit_of_connections() {
    let mut world = plan([ill(Duration::ZERO, Trouble::Hangs), reserve()]);
    world.services[0].servers[0].troubles[0].0.until = secs(1);
    let at = |at| Client {
        at: millis(at),
        ..asks(millis(10), policy(1))
    };
    world.clients = [0, 1_500, 3_000].map(at).into();
    let told = lives(&world);
    assert_eq!(told.count("is crowded"), 0);
    assert_eq!(told.count("Busy"), 0);
    assert_eq!(told.reply(2).by, Some(0));
    assert_eq!(told.reply(2).took, 4);
}
