//! A request fails: a service is to blame, the request itself, or a process that stood still.

use std::{iter, time::Duration};

use super::{asks, ill, lives, plan, policy, reserve};
use crate::{
    plan::{AskKind, Client, Service, Span, millis, secs},
    trouble::Trouble,
};

#[test]
fn a_request_that_kills_its_servers_takes_none_down_that_answers_others() {
    let mut world = plan([Service::default(), reserve()]);
    world.clients = vec![asks(millis(100), policy(200)); 5];
    let poison = iter::repeat_n(AskKind::Poison, 15);
    world.clients.push(asks(secs(1), poison));
    let told = lives(&world);
    assert_eq!(told.counts.harmful, 15);
    assert_eq!(told.counts.defaults, 15, "to the request itself");
    let others = told.replies().into_iter().filter_map(|reply| reply.by);
    assert!(others.eq(iter::repeat_n(0, 1000)));
    // Nobody else has asked the reserve: it is believed three times.
    assert_eq!(told.count("service 0: Down"), 0);
    assert_eq!(told.count("service 1: Down"), 1);
}

#[test]
fn a_process_that_was_paused_past_the_timeout_gives_the_answer_that_has_come() {
    let mut world = plan([Service::default()]);
    world.services[0].servers[0].works = millis(100);
    world.clients = vec![asks(secs(1), policy(2))];
    world.pauses = vec![(0, Span::new(millis(1050), secs(30)))];
    let told = lives(&world);
    told.is_well();
    assert_eq!(told.reply(0).took, 30_050);
}

#[test]
fn a_process_that_stood_still_blames_no_service_for_that_time() {
    // The connection is opened meanwhile, or the one that was kept is closed.
    for (requests, closes_idle, asked) in [(1, None, 1000), (2, Some(millis(1030)), 2082)] {
        let mut world = plan([Service::default()]);
        world.services[0].servers[0].way = millis(20);
        world.services[0].servers[0].closes_idle = closes_idle;
        world.clients = vec![
            asks(secs(1), policy(requests)),
            Client {
                at: secs(50),
                ..asks(secs(1), policy(1))
            },
        ];
        world.pauses = vec![(0, Span::new(millis(asked + 1), secs(40)))];
        let told = lives(&world);
        assert_eq!((told.counts.downs, told.counts.defaults), (0, 1));
        assert_eq!(told.reply(requests).by, Some(0));
    }
}

#[test]
fn a_service_that_hangs_is_blamed_though_the_process_stood_still_at_the_end() {
    let mut world = plan([ill(Duration::ZERO, Trouble::Hangs)]);
    world.clients = vec![asks(secs(1), policy(1))];
    // The attempt ends after 10 s.
    world.pauses = vec![(0, Span::new(millis(10_900), secs(1)))];
    assert_eq!(lives(&world).counts.downs, 1);
}

#[test]
fn a_backend_that_is_asked_too_much_does_not_go_down() {
    let mut world = plan([Service::default()]);
    world.services[0].servers[0].works = millis(200);
    world.settings.max_connections = 1;
    world.settings.deadline = secs(1);
    world.clients = vec![asks(Duration::ZERO, policy(10)); 8];
    assert_eq!(lives(&world).counts.downs, 0);
}
