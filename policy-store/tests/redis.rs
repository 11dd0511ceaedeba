//! Redis: the suite on one server and on a cluster, servers that fail, sentinels, and the script beside the rules.

#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/false_nodes.rs"]
mod false_nodes;
#[path = "redis/nodes.rs"]
mod nodes;
mod suite;
mod support;

use std::{sync::Arc, time::Duration};

use policy_store::{
    Event, Lock, RedisOptions, RedisServers, RedisStore, RemoteOptions, Secret, Store, StoreError,
    Windows, fuzzing::WindowState,
};

use crate::{
    suite::{LONG, Tested},
    support::{Server, faults, redis as servers},
};

fn options(server: &Server, remote: RemoteOptions) -> RedisOptions {
    let mut options = RedisOptions::new(RedisServers::One(server.address().to_owned()));
    options.remote = remote;
    options
}

async fn one() -> (Tested, Server) {
    let server = servers::one();
    let store = RedisStore::new(options(&server, suite::patient())).unwrap();
    (Arc::new(store), server)
}

store_suite!(tokio::test, one);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_is_waited_for_no_longer_than_the_deadline() {
    let mut server = servers::one();
    let store = RedisStore::new(options(&server, faults::remote())).unwrap();
    let breaker = store.breakers().remove(0);
    faults::survives(Arc::new(store), &mut server, &breaker).await;
}

#[tokio::test]
async fn a_user_a_password_and_a_database_are_used_and_not_shown() {
    let server = servers::with(&["--requirepass", "geheim-7"]);
    let mut options = options(&server, faults::remote());
    options.database = 3;
    options.password = Some(Secret::from("geheim-8"));
    let wrong = RedisStore::new(options.clone()).unwrap();
    let error = wrong.get(b"key").await.unwrap_err();
    assert!(matches!(error, StoreError::Login(_)), "{error:?}");
    options.password = None;
    let none = RedisStore::new(options.clone()).unwrap();
    let error = none.get(b"key").await.unwrap_err();
    assert!(matches!(error, StoreError::Login(_)), "{error:?}");
    options.password = Some(Secret::from("geheim-7"));
    options.prefix = "mt-".into();
    let store = RedisStore::new(options.clone()).unwrap();
    store.set(b"key", b"value", LONG).await.unwrap();
    let shown = format!(
        "{options:?} {wrong:?} {store:?} {error:?} {:?}",
        store.breakers()
    );
    assert!(!shown.contains("geheim"), "{shown}");

    let url = format!("redis://:geheim-7@{}/3", server.address());
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let value: String = redis::cmd("GET")
        .arg("mt-key")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(value, "value");
}

#[tokio::test]
async fn a_value_of_another_program_that_is_too_large_is_refused_and_harms_no_other_call() {
    let server = servers::one();
    let store = RedisStore::new(options(&server, suite::patient())).unwrap();
    let client = redis::Client::open(format!("redis://{}/", server.address())).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("SET");
    set.arg("large").arg(vec![b'\n'; 5_000_000]);
    let _: () = set.query_async(&mut other).await.unwrap();
    store.set(b"key", b"value", LONG).await.unwrap();
    let lock = Lock {
        key: b"lock",
        owner: b"me",
        ttl: Duration::from_secs(5),
    };
    let (large, locked, small) = tokio::join!(
        store.get(b"large"),
        store.lock_and_get(lock, b"large"),
        store.get(b"key"),
    );
    let is_refused = |error: StoreError| {
        let StoreError::TooLarge { size, limit, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((size, limit), (5_000_000, 1_000_000));
        assert!(!error.is_outage());
    };
    is_refused(large.unwrap_err());
    is_refused(locked.unwrap_err());
    assert_eq!(small.unwrap().as_deref(), Some(&b"value"[..]));
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_costs_no_call() {
    let server = servers::one();
    let store = RedisStore::new(options(&server, suite::patient())).unwrap();
    store.set(b"key", b"value", LONG).await.unwrap();
    let client = redis::Client::open(format!("redis://{}/", server.address())).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("normal");
    let killed: u64 = kill.query_async(&mut other).await.unwrap();
    assert_eq!(killed, 1);
    // The runtime has heard of both; the task is to run.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let value = store.get(b"key").await.unwrap();
    assert_eq!(value.as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_store_is_used_in_a_runtime_after_the_one_that_connected_has_ended() {
    let server = servers::one();
    let store = RedisStore::new(options(&server, suite::patient())).unwrap();
    for sum in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let added = runtime.block_on(store.add(b"key", 1, LONG));
        assert_eq!(added.unwrap(), sum);
    }
}

fn watched_store(watched: &servers::Watched) -> RedisStore {
    let addresses = watched
        .sentinels
        .iter()
        .map(|server| server.address().to_owned())
        .collect();
    let sentinels = RedisServers::Sentinels {
        addresses,
        service: "mail".into(),
        password: None,
    };
    let mut options = RedisOptions::new(sentinels);
    options.password = Some(servers::PASSWORD.into());
    RedisStore::new(options).unwrap()
}

/// Waits until the sentinels know each other and the replica; then a failure of the primary is survived.
async fn is_ready(watched: &servers::Watched) {
    for sentinel in &watched.sentinels {
        let client = redis::Client::open(format!("redis://{}", sentinel.address())).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let knows = suite::eventually(async || {
            let mut question = redis::cmd("INFO");
            let info: String = question
                .arg("sentinel")
                .query_async(&mut connection)
                .await
                .unwrap();
            info.contains("status=ok") && info.contains("slaves=1,sentinels=3")
        });
        assert!(knows.await, "sentinels do not know each other");
    }
}

/// Waits until something is written again, and looks for it where the sentinels say that the primary is.
async fn is_written_again(watched: &servers::Watched, store: &RedisStore) {
    let writes = async || store.set(b"key", b"after", LONG).await.is_ok();
    assert!(suite::eventually(writes).await, "nothing is written again");
    let sentinel = watched.sentinels.last().unwrap().address();
    let client = redis::Client::open(format!("redis://{sentinel}")).unwrap();
    let mut sentinel = client.get_multiplexed_async_connection().await.unwrap();
    let mut address = String::new();
    // This one may hear of it later than the one that the store has asked.
    let is_other = suite::eventually(async || {
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg("mail");
        let (host, port): (String, String) = question.query_async(&mut sentinel).await.unwrap();
        address = format!("{host}:{port}");
        address != watched.primary.address()
    });
    assert!(is_other.await, "{address}");
    let url = format!("redis://:{}@{address}", servers::PASSWORD);
    let client = redis::Client::open(url).unwrap();
    let mut primary = client.get_multiplexed_async_connection().await.unwrap();
    let mut get = redis::cmd("GET");
    let value: String = get.arg("key").query_async(&mut primary).await.unwrap();
    assert_eq!(value, "after");
}

#[tokio::test]
async fn when_the_primary_was_killed_the_one_in_its_place_is_written_to() {
    let mut watched = servers::watched();
    is_ready(&watched).await;
    let store = watched_store(&watched);
    store.set(b"key", b"before", LONG).await.unwrap();
    watched.primary.kill();
    is_written_again(&watched, &store).await;
    assert_eq!(
        store.get(b"key").await.unwrap().as_deref(),
        Some(&b"after"[..])
    );

    // It comes back as a replica, and nothing is asked of it.
    watched.primary.start_again();
    for number in 0..200 {
        store
            .set(b"key", number.to_string().as_bytes(), LONG)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_primary_and_a_sentinel_that_hang_are_left_too() {
    let watched = servers::watched();
    is_ready(&watched).await;
    let store = watched_store(&watched);
    store.set(b"key", b"before", LONG).await.unwrap();
    watched.sentinels[0].stop();
    watched.primary.stop();
    is_written_again(&watched, &store).await;
}

#[tokio::test]
async fn a_service_that_no_sentinel_knows_is_said() {
    let watched = servers::watched();
    let addresses = vec![watched.sentinels[0].address().to_owned()];
    let store = RedisStore::new(RedisOptions::new(RedisServers::Sentinels {
        addresses,
        service: "other".into(),
        password: None,
    }));
    let error = store.unwrap().get(b"key").await.unwrap_err();
    assert_eq!(error.to_string(), "no sentinel names a primary of `other`");
}

/// The script and the rules are told equal events at equal times.
#[tokio::test]
async fn the_script_counts_as_the_rules_do() {
    let server = servers::one();
    let client = redis::Client::open(format!("redis://{}", server.address())).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    let mut connection = connection.unwrap();
    let script = redis::Script::new(include_str!("../src/redis/count.lua"));
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..40_u64 {
        let windows: Windows = match random(3) {
            0 => "7/1m, 20/1h".parse().unwrap(),
            1 => "5/1h, 6/61s, 9/7m".parse().unwrap(),
            _ => "3/10s".parse().unwrap(),
        };
        let windows = if random(2) == 0 {
            windows
        } else {
            windows.counting_all()
        };
        let mut state = WindowState::default();
        let mut now = 1_764_000_000_000 + random(100_000);
        for _ in 0..150 {
            now = if random(40) == 0 {
                now - random(200_000)
            } else {
                now + random(9000)
            };
            let value = random(12).to_be_bytes();
            let amount = random(4);
            let (event, kind, argument) = if round % 2 == 0 {
                (
                    Event::Amount(amount),
                    "amount",
                    amount.to_string().into_bytes(),
                )
            } else {
                // The script is told the fingerprint; any name of a value does.
                (Event::Distinct(&value), "distinct", value.to_vec())
            };
            let expected = state.count(now, &windows, event);
            let mut call = script.prepare_invoke();
            call.key(format!("round {round}"))
                .arg(now)
                .arg(kind)
                .arg(argument);
            call.arg(u8::from(windows.counts_all()))
                .arg(10_000)
                .arg(100_000_000);
            for window in windows.iter() {
                call.arg(window.length.as_millis() as u64).arg(window.limit);
            }
            let answer: Vec<u64> = call.invoke_async(&mut connection).await.unwrap();
            let used: Vec<_> = expected.windows.iter().map(|window| window.used).collect();
            assert_eq!(
                (answer[0] == 1, &answer[1..]),
                (expected.allowed, &used[..])
            );
        }
    }
}
