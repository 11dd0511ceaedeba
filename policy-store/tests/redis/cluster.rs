//! A cluster: the suite, and slots that move to another node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use policy_store::{
    BreakerState, Lock, Locked, RedisOptions, RedisServers, RedisStore, RemoteOptions, Store,
    StoreError,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    store_suite,
    suite::{self, LONG, Tested},
    support::{Server, redis as servers},
};

/// Three nodes, and a store that has been told of the first of them.
pub(super) async fn three(remote: RemoteOptions) -> (RedisStore, Vec<Server>) {
    let nodes = servers::cluster();
    let store = store(&nodes[..1], remote);
    let is_up = async || {
        for node in 0..3 {
            if store.set(&key(node), b"before", LONG).await.is_err() {
                return false;
            }
        }
        true
    };
    assert!(suite::eventually(is_up).await, "the cluster is not up");
    (store, nodes)
}

pub(super) fn store(nodes: &[Server], remote: RemoteOptions) -> RedisStore {
    let addresses = nodes.iter().map(|node| node.address().to_owned());
    let mut options = RedisOptions::new(RedisServers::Cluster(addresses.collect()));
    options.remote = remote;
    RedisStore::new(options).unwrap()
}

/// A key of which this node has the slot.
pub(super) fn key(node: usize) -> Vec<u8> {
    KEYS[node].as_bytes().to_vec()
}

const KEYS: [&str; 3] = ["{b}", "{c}", "{a}"];
/// The slot of the first of them.
const SLOT: &str = "3300";

/// The state of the breaker of this node.
pub(super) fn state(store: &RedisStore, node: &Server) -> Option<BreakerState> {
    let breakers = store.breakers();
    let name = format!("redis {}", node.address());
    let breaker = breakers.iter().find(|breaker| breaker.name() == name);
    breaker.map(|breaker| breaker.state())
}

store_suite!(run_all);

#[tokio::test]
async fn the_suite_passes() {
    let (store, _nodes) = three(suite::patient()).await;
    run_all(Arc::new(store) as Tested).await;
}

/// Asks a server; the words of the question have no blanks.
pub(super) async fn ask<T: redis::FromRedisValue>(server: &Server, question: &str) -> T {
    let client = redis::Client::open(format!("redis://{}", server.address())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut words = question.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    let answer = command.query_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{question}: {error}"))
}

/// The first slot is about to move from the first node to the second.
async fn begin_move(nodes: &[Server]) -> [String; 2] {
    let from: String = ask(&nodes[0], "CLUSTER MYID").await;
    let to: String = ask(&nodes[1], "CLUSTER MYID").await;
    let question = format!("CLUSTER SETSLOT {SLOT} IMPORTING {from}");
    ask::<()>(&nodes[1], &question).await;
    let question = format!("CLUSTER SETSLOT {SLOT} MIGRATING {to}");
    ask::<()>(&nodes[0], &question).await;
    [from, to]
}

async fn move_key(nodes: &[Server], key: &str) {
    let to = nodes[1].port();
    ask::<()>(&nodes[0], &format!("MIGRATE 127.0.0.1 {to} {key} 0 5000")).await;
}

async fn end_move(nodes: &[Server], to: &str) {
    for node in [&nodes[1], &nodes[0], &nodes[2]] {
        ask::<()>(node, &format!("CLUSTER SETSLOT {SLOT} NODE {to}")).await;
    }
}

#[tokio::test]
async fn a_slot_that_has_moved_is_found() {
    let (store, nodes) = three(suite::patient()).await;
    let [_, to] = begin_move(&nodes).await;
    move_key(&nodes, KEYS[0]).await;
    end_move(&nodes, &to).await;
    for _ in 0..3 {
        let got = store.get(&key(0)).await.unwrap();
        assert_eq!(got.as_deref(), Some(&b"before"[..]));
        assert_eq!(store.add(b"{b}sum", 1, LONG).await.unwrap(), 1);
        assert!(store.delete(b"{b}sum").await.unwrap());
    }
    // What is redirected is answered.
    for node in &nodes {
        assert_eq!(state(&store, node), Some(BreakerState::Closed));
    }
}

#[tokio::test]
async fn what_has_moved_before_its_slot_is_asked_for_where_it_is() {
    let (store, nodes) = three(suite::patient()).await;
    store.set(b"{b}sum", b"41", LONG).await.unwrap();
    begin_move(&nodes).await;
    move_key(&nodes, KEYS[0]).await;
    move_key(&nodes, "{b}sum").await;
    for _ in 0..3 {
        let got = store.get(&key(0)).await.unwrap();
        assert_eq!(got.as_deref(), Some(&b"before"[..]));
    }
    // Also by a script that the other node has not seen yet.
    assert_eq!(store.add(b"{b}sum", 1, LONG).await.unwrap(), 42);
    // A new key begins where the slot goes.
    store.set(b"{b}new", b"1", LONG).await.unwrap();
    let moved: u32 = ask(&nodes[1], &format!("CLUSTER COUNTKEYSINSLOT {SLOT}")).await;
    assert_eq!(moved, 3);
}

#[tokio::test]
async fn a_lock_and_its_value_are_waited_for_while_they_are_on_two_nodes() {
    let (store, nodes) = three(suite::patient()).await;
    let lock = Lock {
        key: b"{b}lock",
        owner: b"me",
        ttl: Duration::from_secs(60),
    };
    let held = store.lock_and_get(lock, &key(0)).await.unwrap();
    assert_eq!(held, Locked::Held(Some((&b"before"[..]).into())));
    begin_move(&nodes).await;
    move_key(&nodes, KEYS[0]).await;
    let key = key(0);
    let unlock = store.set_and_unlock(lock, &key, b"after", LONG);
    let rest = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        move_key(&nodes, "{b}lock").await;
    };
    let (unlocked, ()) = tokio::join!(unlock, rest);
    assert!(unlocked.unwrap());
    let got = store.get(&key).await.unwrap();
    assert_eq!(got.as_deref(), Some(&b"after"[..]));
}

#[tokio::test]
async fn keys_of_two_slots_are_refused() {
    let (store, _nodes) = three(suite::patient()).await;
    let lock = Lock {
        key: b"{b}lock",
        owner: b"me",
        ttl: Duration::from_secs(60),
    };
    let error = store.lock_and_get(lock, &key(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(
        store
            .breakers()
            .iter()
            .all(|it| it.state() == BreakerState::Closed)
    );
}

/// A server that names itself, or another port each time, as the node that has the slot.
async fn pointing(to: impl Fn(u32) -> String + Send + 'static) -> (RedisStore, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let map = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut read).await {
                let text = String::from_utf8_lossy(&read[..count]);
                for _ in text.matches("CLIENT") {
                    stream.write_all(b"+OK\r\n").await.unwrap();
                }
                if text.contains("SLOTS") {
                    stream.write_all(map.as_bytes()).await.unwrap();
                }
                if text.contains("GET") {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    let to = to(number).replace("SELF", &format!("127.0.0.1:{port}"));
                    let answer = format!("-MOVED 3300 {to}\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        }
    });
    let mut options = RedisOptions::new(RedisServers::Cluster(vec![format!("127.0.0.1:{port}")]));
    options.remote = suite::patient();
    (RedisStore::new(options).unwrap(), asked)
}

#[tokio::test]
async fn nodes_that_name_each_other_are_followed_so_often_and_not_for_ever() {
    let (store, asked) = pointing(|_| "SELF".into()).await;
    let error = store.get(b"{b}").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot serve: redirected too often");
    assert!(asked.load(Ordering::Relaxed) <= 9);
    for to in ["", "host", "h\u{1b}st:1", ":0", "a b:1", "?:6379"] {
        let (store, _) = pointing(move |_| to.into()).await;
        let error = store.get(b"{b}").await.unwrap_err();
        assert!(
            matches!(error, StoreError::NotServing(_) | StoreError::Protocol(_)),
            "{error:?}"
        );
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    }
}
