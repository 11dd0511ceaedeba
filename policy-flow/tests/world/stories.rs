//! Worlds of one fault each, with what it costs.

use std::time::Duration;

use super::{
    plan::{
        Ask, AskKind, Client, Cut, End, Plan, Reads, Server, Service, Settings, Span, Trouble,
        millis, secs,
    },
    run::World,
};

#[test]
fn a_client_that_sends_garbage_keeps_no_other_from_being_closed_when_it_is_idle() {
    let mut world = plan([Service::default()]);
    world.clients = vec![asks([AskKind::Garbage]), asks([])];
    world.clients[1].end = End::Stays;
    lives(&world);
}

#[test]
fn a_client_that_comes_in_a_drain_is_let_go_if_it_asks_nothing() {
    let mut world = plan([Service::default()]);
    world.drain = Some(millis(10));
    world.clients = vec![asks([])];
    world.clients[0].at = millis(20);
    world.clients[0].end = End::Stays;
    lives(&world);
}

#[test]
fn an_answer_that_is_none_costs_its_connection_and_gives_one_permit_back() {
    let mut world = plan([ill(Trouble::Garbage)]);
    world.clients = vec![asks([AskKind::Policy; 3])];
    let told = lives(&world);
    assert_eq!(told.defaults(), 3);
}

/// Runs a world in which no law is broken.
fn lives(plan: &Plan) -> Told {
    let mut world = World::new(plan, true);
    world.run();
    let story = world.net.story.take().unwrap_or_default().join("\n");
    if let Some(broken) = &world.net.broken {
        panic!("{plan}\n{story}\n{}: {}", broken.law, broken.what);
    }
    println!("{story}");
    Told {
        counts: world.net.counts,
    }
}

struct Told {
    counts: super::net::Counts,
}

impl Told {
    fn defaults(&self) -> u64 {
        self.counts.defaults
    }
}

fn plan(services: impl IntoIterator<Item = Service>) -> Plan {
    Plan {
        seed: 1,
        settings: Settings::default(),
        workers: 1,
        jitter: Duration::ZERO,
        late: Duration::ZERO,
        clients: Vec::new(),
        services: services.into_iter().collect(),
        pauses: Vec::new(),
        scarce: Vec::new(),
        drain: None,
        exchanges: Vec::new(),
    }
}

fn ill(trouble: Trouble) -> Service {
    let server = Server {
        troubles: vec![(Span::new(Duration::ZERO, secs(3600)), trouble)],
        ..Server::default()
    };
    Service {
        servers: vec![server],
        ..Service::default()
    }
}

/// A client that asks these, one after the other.
fn asks(kinds: impl IntoIterator<Item = AskKind>) -> Client {
    let ask = |kind| Ask {
        think: millis(10),
        kind,
        message: 0,
    };
    Client {
        at: Duration::ZERO,
        user: 0,
        pipelines: false,
        cut: Cut::Whole,
        asks: kinds.into_iter().map(ask).collect(),
        reads: Reads::AtOnce,
        end: End::Leaves,
    }
}
