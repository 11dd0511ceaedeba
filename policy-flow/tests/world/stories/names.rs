//! Names that move, and addresses of one name that are ill.

use std::time::Duration;

use super::{Reply, asks, lives, plan, policy, several};
use crate::{
    plan::{Server, Service, millis, secs},
    trouble::Trouble,
};

#[test]
fn a_name_that_moves_is_followed_within_its_refresh_though_the_old_server_lives() {
    for (is_unix, refresh) in [(false, secs(60)), (true, secs(1))] {
        let server = Server {
            is_unix,
            ..Server::default()
        };
        let mut world = plan([Service {
            look_up: Some(millis(1)),
            refresh,
            names: vec![(Duration::ZERO, vec![0]), (secs(100), vec![1])],
            servers: vec![server; 2],
            ..Service::default()
        }]);
        world.clients = vec![asks(secs(1), policy(201))];
        let told = lives(&world);
        told.is_well();
        let moved = |reply: &Reply| reply.sent >= 100_000 + refresh.as_millis() as u64 + 1_100;
        for reply in told.replies() {
            let by = match moved(&reply) {
                true => Some(1),
                false if reply.sent < 100_000 => Some(0),
                false => reply.by,
            };
            assert_eq!(reply.by, by, "{reply:?}");
        }
        assert!(told.replies().iter().any(moved));
    }
}

#[test]
fn the_first_request_after_a_long_rest_goes_where_the_name_leads_now() {
    // A look-up that takes too long is not waited for.
    for (look_up, by) in [
        (millis(1), Some(1)),
        (millis(249), Some(1)),
        (secs(2), Some(0)),
    ] {
        let mut world = plan([Service {
            look_up: Some(look_up),
            names: vec![(Duration::ZERO, vec![0]), (secs(100), vec![1])],
            servers: vec![Server::default(); 2],
            ..Service::default()
        }]);
        world.clients = vec![asks(secs(300), policy(2))];
        world.clients[0].asks[0].think = Duration::ZERO;
        let told = lives(&world);
        told.is_well();
        assert_eq!(told.replies()[1].by, by, "after {look_up:?}");
    }
}

#[test]
fn an_address_that_swallows_costs_a_quarter_of_a_second_once() {
    let mut world = plan([several(Trouble::Swallows)]);
    // Each request over a connection of its own.
    world.services[0].keep = Duration::ZERO;
    world.clients = vec![asks(secs(2), policy(8))];
    let told = lives(&world);
    told.is_well();
    let took: Vec<u64> = told.replies().iter().map(|reply| reply.took).collect();
    assert_eq!(took[0], 257, "a look-up, 250 ms, and an answer");
    assert!(took[1..].iter().all(|took| *took < 10), "{took:?}");
}

#[test]
fn an_address_that_hangs_costs_one_request_and_is_behind_the_others_then() {
    let mut world = plan([several(Trouble::Hangs)]);
    world.clients = vec![asks(secs(2), policy(8))];
    let told = lives(&world);
    let by: Vec<_> = told.replies().iter().map(|reply| reply.by).collect();
    assert_eq!(by[0], None);
    assert_eq!(by[1..], [Some(1); 7]);
}

#[test]
fn healthy_addresses_share_the_connections() {
    let mut world = plan([several(Trouble::ExtraNewline(millis(1)))]);
    world.clients = vec![asks(secs(1), policy(1)); 10];
    let told = lives(&world);
    told.is_well();
    for server in 0..2 {
        let by = told
            .replies()
            .into_iter()
            .filter(|reply| reply.by == Some(server));
        let count = by.count();
        assert!((4..=6).contains(&count), "{count} of 10");
    }
}
