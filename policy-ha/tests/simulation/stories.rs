//! Single disturbances by default settings, with what they cost to the request.

use std::time::Duration;

use policy_ha::{Backend, Config};
use policy_simulation::{Balance, Client, End, Gap, Kind, Server, World};

use super::{
    history::{History, Request, Why, run},
    laws::{hold, trials},
};

#[test]
fn a_server_that_refuses_for_an_hour_costs_what_it_had_under_way_and_65_attempts() {
    for balance in STRATEGIES {
        let mut world = world(balance, 4, Gap::Random(millis(100)), 40_000);
        world.servers[1].trouble(secs(200), secs(3600), Kind::Away);
        let history = lives(&world);
        let lost = history.asked(1, Duration::ZERO..secs(200));
        let lost = lost.filter(|attempt| attempt.end == End::Failed).count();
        let refused = history.asked(1, secs(200)..secs(3800)).count();
        assert_eq!(trials(secs(3600), &world.config), 64);
        assert!((50..=65).contains(&refused), "{refused} by {balance:?}");
        // Each of another request, which others answer at once.
        let failed = |request: &&Request| request.attempts.len() == 2;
        assert_eq!(
            history.requests.iter().filter(failed).count(),
            lost + refused
        );
        assert!(history.requests.iter().all(is_answered_by_the_second));
    }
}

#[test]
fn a_server_that_swallows_for_an_hour_costs_the_requests_of_one_timeout_and_64_more() {
    for balance in STRATEGIES {
        let mut world = world(balance, 4, Gap::Random(millis(100)), 40_000);
        world.servers[1].trouble(secs(200), secs(3600), Kind::Swallows);
        let history = lives(&world);
        let swallowed = |why| {
            let asked = history.asked(1, secs(200)..secs(3800));
            asked.filter(|attempt| attempt.why == why).count()
        };
        // It has a quarter of ten requests a second. Where load counts, what hangs keeps others away.
        let most = match balance {
            Balance::LeastLoaded => 3,
            _ => 40,
        };
        let unaware = swallowed(Why::Up);
        assert!((1..=most).contains(&unaware), "{unaware} by {balance:?}");
        assert!((40..=64).contains(&swallowed(Why::Trial)));
        assert_eq!(swallowed(Why::LastResort), 0);
        assert!(history.requests.iter().all(is_answered_by_the_second));
    }
}

/// A thousand requests a second are 25 under way at each of four servers.
#[test]
fn a_server_that_returns_gets_one_request_and_then_no_more_under_way_than_the_others() {
    for (balance, at_once, under_way, ahead) in [
        // Its turns.
        (Balance::RoundRobin, 1, 26, 1.0),
        // All that come until it has as much under way as the others: within the 0.1 s of an answer.
        (Balance::LeastLoaded, 26, 26, 26.0),
        // Its keys, by chance.
        (Balance::Hash(100_000), 6, 50, 50.0),
    ] {
        let mut world = world(balance, 4, Gap::Steady(millis(1)), 30_000);
        world.servers[1].trouble(secs(10), secs(5), Kind::Away);
        let history = lives(&world);
        let up = history.next(1, secs(15), true);
        assert_eq!(history.asked(1, secs(15)..up).count(), 1, "one goes to see");
        let backoff = secs(5 + 1).mul_f64(1.25);
        assert!(up < secs(15) + backoff + world.servers[1].latency, "{up:?}");

        let load = history.asked(1, up..Duration::MAX);
        let load = load.map(|attempt| attempt.loads[1] + 1).max();
        assert!(load <= Some(under_way), "{load:?} by {balance:?}");
        let (mut got, mut row) = (0, 0);
        let later = history
            .attempts
            .iter()
            .filter(|attempt| attempt.began >= up);
        for (k, attempt) in (1..).zip(later.take(1000)) {
            let is_its = attempt.server == 1;
            (got, row) = if is_its { (got + 1, row + 1) } else { (got, 0) };
            assert!(row <= at_once, "{row} at once by {balance:?}");
            let fair = f64::from(k) / 4.0;
            assert!(f64::from(got) < fair + ahead, "{got} of {k} by {balance:?}");
        }
        assert!((200..300).contains(&got), "{got} of 1000 by {balance:?}");
    }
}

/// A server that answers somebody while a request hangs is not blamed for that. Where so few ask that it
/// does not, it is taken out until its next trial: of answers none is lost, and none comes later.
///
/// By load it happens sooner, with a request a second or so: nobody else is sent to where one hangs while
/// another server has nothing to do, and so there is nobody to speak for it. Two failures in a row
/// instead of one make it rare.
#[test]
fn of_two_services_a_sender_of_poison_takes_out_none_that_is_busy_and_delays_nobody() {
    for (balance, busy) in [
        (Balance::RoundRobin, 500),
        (Balance::LeastLoaded, 100),
        (Balance::Hash(1000), 500),
    ] {
        for gap in [10, 100, 500, 1_000, 3_000, 10_000, 100_000] {
            for (failures, rarely) in [(1, 0.25), (2, 0.1)] {
                let mut world = world(balance, 2, Gap::Random(millis(gap)), 5_000);
                world.config = world.config.with_max_failures(failures);
                world.clients[0].poison = Some(10);
                let history = lives(&world);
                let latency = world.servers[0].latency;
                for request in &history.requests {
                    let takes = if request.is_poison {
                        2 * world.timeout
                    } else {
                        latency
                    };
                    assert_eq!(request.ended, Some(request.began + takes));
                }
                let part = out(&world, &history);
                let most = if gap <= busy { 0.0 } else { rarely };
                assert!(
                    part <= most,
                    "out for {part} of the time by {balance:?}, {gap} ms"
                );
            }
        }
    }
}

/// For which part of the time a server is taken out in the mean.
fn out(world: &World, history: &History) -> f64 {
    // After the last request nobody speaks for anybody.
    let end = world.end - world.timeout;
    let changes = history.changes.iter();
    let downs = changes.filter(|change| !change.is_up && change.at < end);
    let out = downs.map(|down| history.next(down.server, down.at, true).min(end) - down.at);
    out.sum::<Duration>()
        .div_duration_f64(world.servers.len() as u32 * end)
}

const STRATEGIES: [Balance; 3] = [
    Balance::RoundRobin,
    Balance::LeastLoaded,
    Balance::Hash(1000),
];

/// Equal servers that answer after 0.1 s, one client, and default settings.
fn world(balance: Balance, servers: usize, gap: Gap, requests: u32) -> World {
    let (Gap::Steady(mean) | Gap::Random(mean)) = gap;
    World {
        config: Config::default().with_seed(1),
        balance,
        servers: vec![Server::well(Backend::default(), millis(100)); servers],
        clients: vec![Client {
            first: Duration::ZERO,
            gap,
            message: 1,
            poison: None,
            seed: 1,
        }],
        timeout: secs(10),
        deadline: Some(secs(90)),
        end: mean * requests,
    }
}

/// The laws hold here too.
fn lives(world: &World) -> History {
    let history = run(world);
    hold(world, &history);
    history
}

const fn is_answered_by_the_second(request: &Request) -> bool {
    request.is_answered && request.attempts.len() <= 2
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
