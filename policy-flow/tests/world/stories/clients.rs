//! Clients that ask nothing, or what is no request.

use super::{asks, lives, plan, policy};
use crate::plan::{AskKind, End, Service, millis, secs};

#[test]
fn a_client_that_sends_garbage_keeps_no_other_from_being_closed_when_it_is_idle() {
    let mut world = plan([Service::default()]);
    world.clients = vec![asks(millis(10), [AskKind::Garbage]), asks(millis(10), [])];
    world.clients[1].end = End::Stays;
    assert_eq!(lives(&world).when("client 1 is closed"), 1_200_000);
}

#[test]
fn a_client_that_comes_in_a_drain_is_let_go_if_it_asks_nothing() {
    let mut world = plan([Service::default()]);
    world.drain = Some(millis(10));
    world.clients = vec![asks(millis(10), [])];
    world.clients[0].at = millis(20);
    world.clients[0].end = End::Stays;
    assert_eq!(lives(&world).when("client 0 is let go"), 20);
}

#[test]
fn a_blank_line_waits_for_no_memory() {
    let mut world = plan([Service::default()]);
    world.settings.memory = Some(1);
    world.services[0].servers[0].works = secs(5);
    world.clients = vec![
        asks(millis(10), policy(1)),
        asks(millis(10), [AskKind::Blank]),
    ];
    world.clients[1].at = secs(1);
    assert_eq!(lives(&world).when("client 1 is closed"), 1_011);
}
