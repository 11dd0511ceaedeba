//! A cache that hosts share: Redis, MariaDB and PostgreSQL as private servers, which stop, end and come back.
//!
//! Must be run as root; the Debian packages redis-server, mariadb-server-core, postgresql and util-linux must be installed.

use std::thread;

use policy_testing::servers::{databases, redis};

use super::world::{GOOD, World, bad, good, request, text as said};

/// What one daemon has learnt the other one knows, and a process of spawn(8).
fn hosts_share(store: &str) {
    let worlds = [(); 2].map(|()| World::new(&format!("$CACHE_STORE = '{store}';")));
    let [one, other] = &worlds;
    let _running = worlds.each_ref().map(World::start);
    assert_eq!(one.ask(&good("1")), GOOD);
    assert!(one.ask(&bad("2")).starts_with("action=550 Mail appeared"));
    let cached = other.ask(&bad("3"));
    assert!(
        cached.contains(" [cached] - retrying too fast. penalty: 30 seconds x 1 retries. Reason: "),
        "{cached}"
    );
    let known = "action=PREPEND X-policyd-weight: using cached result; rate: -4.6";
    assert_eq!(other.ask(&good("4")), known);
    assert_eq!(said(&one.feed(&[], &good("5")).stdout).trim_end(), known);

    for word in ["-k", "-s"] {
        let refused = other.run(&[word]);
        assert_eq!(refused.status.code(), Some(1), "{word}");
        assert!(
            said(&refused.stderr).contains("the cache is in $CACHE_STORE, which other hosts share"),
            "{word}: {refused:?}"
        );
    }
    assert_eq!(other.ask(&good("6")), known);
}

#[test]
fn hosts_share_a_redis() {
    let server = redis::one();
    hosts_share(&format!("redis://{}", server.address()));
}

#[test]
fn hosts_share_a_mariadb() {
    let (_server, name) = databases::mariadb();
    hosts_share(&name);
}

#[test]
fn hosts_share_a_postgres() {
    let (_server, name) = databases::postgres();
    hosts_share(&name);
}

/// Asks about so many mails on as many connections, twice each.
fn load(world: &World, prefix: &str) -> Vec<String> {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..40)
            .map(|number| {
                scope.spawn(move || {
                    let mut connection = world.connect();
                    ["a", "b"].map(|mail| {
                        let instance = format!("{prefix}{number}{mail}");
                        super::world::ask(&mut connection, &good(&instance))
                    })
                })
            })
            .collect();
        asked
            .into_iter()
            .flat_map(|asked| asked.join().unwrap())
            .collect()
    })
}

const KNOWN: &str = "using cached result";

/// What one of the stores' faults costs is its entries: no request goes without an answer.
#[test]
fn a_store_that_stops_or_ends_costs_its_entries_and_no_answer() {
    let mut server = redis::one();
    let world = World::new(&format!("$CACHE_STORE = 'redis://{}';", server.address()));
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&good("2")).contains(KNOWN));

    server.stop();
    for answer in load(&world, "stopped") {
        assert_eq!(answer, GOOD);
    }
    server.go_on();
    world.wait_until_answer(KNOWN, good);

    server.kill();
    for answer in load(&world, "killed") {
        assert_eq!(answer, GOOD);
    }
    // The recipients of one mail need no store.
    let again = world.ask(&good("killed0a"));
    assert!(again.contains("DUNNO multirecipient-mail"), "{again}");
    server.start_again();
    world.wait_until_answer(KNOWN, good);
}

/// The store and DNS at once: each request has its deadline and no more.
#[test]
fn a_store_and_name_servers_that_stop_leave_each_request_its_answer() {
    let server = redis::one();
    let world = World::new(&format!(
        "$CACHE_STORE = 'redis://{}'; $DNS_RETRIES = 3; $DNS_RETRY_IVAL = 30;",
        server.address()
    ));
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    server.stop();
    world.dns.set_zone("test !silent\n*.test !silent\n");
    thread::scope(|scope| {
        for number in 0..40 {
            let world = &world;
            scope.spawn(move || {
                let sender = format!("x@h{number}.other.test");
                let answer = world.ask(&request(
                    "100.70.1.7",
                    "h.other.test",
                    &sender,
                    &number.to_string(),
                ));
                assert!(
                    answer.starts_with("action=PREPEND X-policyd-weight: "),
                    "{answer}"
                );
            });
        }
    });
    server.go_on();
}
