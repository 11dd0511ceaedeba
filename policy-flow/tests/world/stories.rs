//! Worlds of one fault each, with what it costs.

use std::{iter, time::Duration};

use policy_flow::Retry;

use super::{
    net::Counts,
    plan::{
        Ask, AskKind, Client, Cut, End, Plan, Reads, Server, Service, Settings, Span, millis, secs,
    },
    run::World,
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

#[test]
fn a_backend_that_is_asked_too_much_does_not_go_down() {
    let mut world = plan([Service::default()]);
    world.services[0].servers[0].works = millis(200);
    world.settings.max_connections = 1;
    world.settings.deadline = secs(1);
    world.clients = vec![asks(Duration::ZERO, policy(10)); 8];
    assert_eq!(lives(&world).counts.downs, 0);
}

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
fn an_answer_that_is_none_costs_its_connection_and_gives_one_permit_back() {
    let mut world = plan([ill(Duration::ZERO, Trouble::Garbage)]);
    world.clients = vec![asks(millis(10), policy(3))];
    assert_eq!(lives(&world).counts.defaults, 3);
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

/// So many requests.
fn policy(count: usize) -> impl Iterator<Item = AskKind> + Clone {
    iter::repeat_n(AskKind::Policy, count)
}

/// A service of two addresses, of which the first has this trouble.
fn several(trouble: Trouble) -> Service {
    let ill = ill(Duration::ZERO, trouble);
    Service {
        look_up: Some(millis(1)),
        names: vec![(Duration::ZERO, vec![0, 1])],
        servers: ill.servers.into_iter().chain([Server::default()]).collect(),
        ..Service::default()
    }
}

/// Runs a world in which no law is broken.
fn lives(plan: &Plan) -> Told {
    let mut world = World::new(plan, true);
    world.run();
    let story = world.net.story.take().unwrap_or_default();
    if let Some(broken) = &world.net.broken {
        panic!(
            "{plan}\n{}\n{}: {}",
            story.join("\n"),
            broken.law,
            broken.what
        );
    }
    println!("{}", story.join("\n"));
    Told {
        counts: world.net.counts,
        story,
    }
}

struct Told {
    counts: Counts,
    story: Vec<String>,
}

/// What came of a request: when it was sent, how long its reply took, in milliseconds, and which server answered.
#[derive(Clone, Copy, Debug)]
struct Reply {
    sent: u64,
    took: u64,
    by: Option<usize>,
}

impl Told {
    /// How often this happened.
    fn count(&self, what: &str) -> usize {
        let lines = self.story.iter();
        lines.filter(|line| line.contains(what)).count()
    }

    /// When this happened first, in milliseconds.
    fn when(&self, what: &str) -> u64 {
        let line = self.story.iter().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{what}"));
        let seconds: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        (seconds * 1000.0).round() as u64
    }

    fn reply(&self, request: usize) -> Reply {
        let sent = self.when(&format!(" sends request {request}, "));
        let what = format!(" has the reply to request {request}: ");
        let line = self.story.iter().find(|line| line.contains(&what));
        let by = line.and_then(|line| line.split_once(" by "));
        let by = by.and_then(|(_, by)| by.split(['.', '\\']).next()?.parse().ok());
        Reply {
            sent,
            took: self.when(&what) - sent,
            by,
        }
    }

    fn replies(&self) -> Vec<Reply> {
        (0..self.counts.requests as usize)
            .map(|request| self.reply(request))
            .collect()
    }

    /// No service went down, and each request was answered.
    fn is_well(&self) {
        assert_eq!((self.counts.downs, self.counts.defaults), (0, 0));
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
        groups: 1,
        pauses: Vec::new(),
        scarce: Vec::new(),
        drain: None,
        exchanges: Vec::new(),
    }
}

fn reserve() -> Service {
    Service {
        priority: 20,
        ..Service::default()
    }
}

/// A service with this trouble, from then on.
fn ill(from: Duration, trouble: Trouble) -> Service {
    Service {
        servers: vec![Server {
            troubles: vec![(Span::new(from, secs(3600)), trouble)],
            ..Server::default()
        }],
        ..Service::default()
    }
}

/// A client that asks these, one after the other, each so long after the reply to the last.
fn asks(think: Duration, kinds: impl IntoIterator<Item = AskKind>) -> Client {
    let ask = |kind| Ask {
        think,
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
