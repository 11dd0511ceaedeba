//! A cache that hosts share: Redis, MariaDB and PostgreSQL as private servers; and a store that is a file.
//!
//! Must be run as root; the Debian packages redis-server, mariadb-server-core, postgresql and util-linux must be installed.

use policy_testing::servers::{databases, redis};

use super::world::{GOOD, World, bad, good, text as said};

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
    // What is wanted beside it is done.
    let started = other.run(&["-k", "start"]);
    let said = said(&started.stderr);
    assert_eq!(started.status.code(), Some(255), "{said}");
    assert!(
        said.starts_with("the cache is in $CACHE_STORE")
            && said.ends_with("Process already running\n"),
        "{said}"
    );
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

/// A store that is a file of this host's is no secret of the daemon's.
#[test]
fn a_store_that_is_a_file_is_shown_and_emptied() {
    let world = World::new("");
    let file = world.path("lock/store.sqlite");
    world.configure(&format!("$CACHE_STORE = 'sqlite://{}';", file.display()));
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&bad("2")).starts_with("action=550 Mail"));
    let of_file = format!("of the file {}\n", file.display());
    let shown = said(&world.run(&["-s"]).stdout);
    assert!(
        shown.contains(&format!("*** {of_file}blocked: 100.70.1.1 ")),
        "{shown}"
    );
    let emptied = said(&world.run(&["-k"]).stdout);
    assert_eq!(emptied, format!("*** 2 forgotten {of_file}"));
    assert_eq!(world.ask(&good("3")), GOOD);
    drop(running);
    assert_eq!(world.cached(&[]).len(), 1);
}
