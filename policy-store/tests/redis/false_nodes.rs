//! Nodes of a cluster that answer what no node of Redis would, or what one answers in rare states.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use policy_store::{
    BreakerState, RedisOptions, RedisServers, RedisStore, RemoteOptions, Store, StoreError,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    cluster::{ask, begin_move, key, three},
    suite,
    support::{faults, free_port},
};

/// What a node that serves answers to `CLUSTER INFO`.
const SERVES: &str = "$16\r\ncluster_state:ok\r\n";

/// A server that answers each command with what is said of its port and its words. Without an answer the connection hangs. The number
/// is that of its connections.
async fn false_node(
    answer: impl Fn(u16, &str) -> String + Send + Sync + 'static,
) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicU32::new(0));
    let counted = connections.clone();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                while let Some(command) = command(&mut stream).await {
                    let answer = match command.as_str() {
                        command if command.starts_with("CLIENT") => "+OK\r\n".into(),
                        command => answer(port, command),
                    };
                    if answer.is_empty() {
                        pending::<()>().await;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    (port, connections)
}

/// The words of the next command.
async fn command(stream: &mut BufStream<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let count = line.trim().strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0_usize..count {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let length: usize = line.trim().strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word[..length]).into_owned());
    }
    Some(words.join(" "))
}

/// The answer to `CLUSTER SLOTS` where these nodes share them.
fn slots(ports: &[u16]) -> String {
    let step = 16_384 / ports.len();
    let mut answer = format!("*{}\r\n", ports.len());
    for (number, port) in ports.iter().enumerate() {
        let first = number * step;
        let last = if number + 1 == ports.len() {
            16_383
        } else {
            first + step - 1
        };
        let node = format!("*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
        answer += &format!("*3\r\n:{first}\r\n:{last}\r\n{node}");
    }
    answer
}

fn store(ports: &[u16], remote: RemoteOptions) -> RedisStore {
    let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    let mut options = RedisOptions::new(RedisServers::Cluster(addresses.collect()));
    options.remote = remote;
    RedisStore::new(options).unwrap()
}

/// A node that has all slots, and a value for each key.
fn whole(port: u16, command: &str) -> String {
    match command {
        "CLUSTER INFO" => SERVES.into(),
        "CLUSTER SLOTS" => slots(&[port]),
        _ => "$5\r\nvalue\r\n".into(),
    }
}

/// A server that names itself, or another port each time, as the node that has the slot.
async fn pointing(to: impl Fn(u32) -> String + Send + Sync + 'static) -> (u16, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let (port, _) = false_node(move |port, command| {
        if command.starts_with("CLUSTER") {
            return whole(port, command);
        }
        let number = counted.fetch_add(1, Ordering::Relaxed);
        let to = to(number).replace("SELF", &format!("127.0.0.1:{port}"));
        format!("-MOVED 3300 {to}\r\n")
    })
    .await;
    (port, asked)
}

#[tokio::test]
async fn nodes_that_name_each_other_are_followed_so_often_and_not_for_ever() {
    let (port, asked) = pointing(|_| "SELF".into()).await;
    let error = store(&[port], suite::patient()).get(b"{b}").await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "redirected too often");
    assert!(asked.load(Ordering::Relaxed) <= 9);
    let long = format!("{}:6379", "a".repeat(256));
    for to in [
        "",
        "host",
        "h\u{1b}st:1",
        ":0",
        "a b:1",
        "?:6379",
        long.as_str(),
    ] {
        let to = to.to_owned();
        let (port, _) = pointing(move |_| to.clone()).await;
        let error = store(&[port], suite::patient()).get(b"{b}").await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, StoreError::NotServing(_) | StoreError::Protocol(_)),
            "{error:?}"
        );
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    }
}

/// It may have missed that another one has its slots.
#[tokio::test]
async fn a_node_that_sees_no_other_is_not_asked_who_has_which_slots() {
    let (lonely, _) = false_node(|port, command| match command {
        "CLUSTER INFO" => "$18\r\ncluster_state:fail\r\n".into(),
        "CLUSTER SLOTS" => slots(&[port]),
        _ => "-CLUSTERDOWN The cluster is down\r\n".into(),
    })
    .await;
    let store_of_one = store(&[lonely], suite::patient());
    let error = store_of_one.get(b"{b}").await.unwrap_err();
    assert!(matches!(error, StoreError::NotServing(_)), "{error:?}");
    let (other, _) = false_node(whole).await;
    for seeds in [[lonely, other], [other, lonely]] {
        let got = store(&seeds, suite::patient()).get(b"{b}").await.unwrap();
        assert_eq!(got.as_deref(), Some(&b"value"[..]));
    }
}

#[tokio::test]
async fn another_node_is_asked_in_the_place_of_one_that_fails_at_once() {
    let (port, _) = false_node(whole).await;
    let nobody: Vec<_> = (0..8).map(|_| free_port()).collect();
    let seeds = [&nobody[..4], &[port], &nobody[4..]].concat();
    let got = store(&seeds, suite::patient()).get(b"{b}").await.unwrap();
    assert_eq!(got.as_deref(), Some(&b"value"[..]));
}

/// All of a cluster's nodes may get new addresses, and a name of the configuration the one of them.
#[tokio::test]
async fn a_server_of_the_configuration_is_asked_where_no_node_of_the_map_answers() {
    let mut hung = Vec::new();
    for _ in 0..30 {
        hung.push(false_node(|_, _| String::new()).await);
    }
    let ports: Vec<_> = hung.iter().map(|(port, _)| *port).collect();
    let searches = AtomicU32::new(0);
    let (port, _) = false_node(move |port, command| match command {
        "CLUSTER SLOTS" if searches.fetch_add(1, Ordering::Relaxed) == 0 => slots(&ports),
        command => whole(port, command),
    })
    .await;
    let store = store(&[port], faults::remote());
    let is_found = suite::eventually(async || {
        let got = faults::by_deadline(store.get(b"{b}")).await;
        got.is_ok()
    });
    assert!(is_found.await, "{:?}", store.breakers());
    let asked = hung.iter().map(|(_, connections)| connections);
    let asked = asked.filter(|connections| connections.load(Ordering::Relaxed) > 0);
    let asked = asked.count();
    assert!(asked <= 10, "{asked} nodes were waited for before");
}

#[tokio::test]
async fn a_node_that_a_slot_goes_to_and_that_hangs_is_away_too() {
    let (hung, _) = false_node(|_, _| String::new()).await;
    let (port, _) = false_node(move |port, command| match command {
        "GET {b}" => format!("-ASK 3300 127.0.0.1:{hung}\r\n"),
        command => whole(port, command),
    })
    .await;
    let store = store(&[port], faults::remote());
    let is_away = async || {
        let got = faults::by_deadline(store.get(b"{b}")).await;
        matches!(got, Err(StoreError::Away(_)))
    };
    assert!(suite::eventually(is_away).await, "{:?}", store.breakers());
    for _ in 0..20 {
        assert!(is_away().await, "it is waited for again");
        assert!(store.get(b"{b}other").await.is_ok());
        sleep(Duration::from_millis(50)).await;
    }
}

/// What it answers to a search says nothing of the keys, which may be hung on a packet that is too large for a network.
#[tokio::test]
async fn a_node_that_answers_nothing_but_searches_is_away_too() {
    let (port, _) = false_node(|port, command| match command {
        "GET {b}" => String::new(),
        command => whole(port, command),
    })
    .await;
    let store = store(&[port], faults::remote());
    let mut refused = 0;
    for _ in 0..12 {
        let error = faults::by_deadline(store.get(b"{b}")).await.unwrap_err();
        refused += u32::from(matches!(error, StoreError::Away(_)));
        // A search ends before the next call.
        sleep(Duration::from_millis(100)).await;
    }
    assert!(refused > 0, "it is waited for each time");
}

/// Where a user may not say that it was sent on, the node would send it back, and so on.
#[tokio::test]
async fn a_user_that_may_not_say_asking_is_told_so() {
    let (store, nodes) = three(suite::patient()).await;
    begin_move(&nodes).await;
    for node in &nodes {
        let rule = "ACL SETUSER mail on >geheim-7 ~* +@all -asking";
        ask::<()>(node, rule).await;
    }
    let addresses = vec![nodes[0].address().to_owned()];
    let mut options = RedisOptions::new(RedisServers::Cluster(addresses));
    options.remote = suite::patient();
    options.user = Some("mail".into());
    options.password = Some("geheim-7".into());
    let limited = RedisStore::new(options).unwrap();
    for _ in 0..5 {
        let error = limited.get(b"{b}new").await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        assert!(error.to_string().contains("asking"), "{error}");
    }
    // What it may ask for is answered.
    limited.get(&key(1)).await.unwrap();
    for breaker in limited.breakers() {
        assert_eq!(breaker.state(), BreakerState::Closed, "{breaker:?}");
    }
    assert_eq!(store.get(b"{b}new").await.unwrap(), None);
}
