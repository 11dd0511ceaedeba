//! memcached: the suite, several servers, and servers that fail.

#[path = "memcached/false_servers.rs"]
mod false_servers;
#[path = "memcached/locks.rs"]
mod locks;
mod suite;
mod support;
#[path = "memcached/worlds.rs"]
mod worlds;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use policy_store::{
    BreakerState, Lock, Locked, MemcachedOptions, MemcachedServer, MemcachedStore, RemoteOptions,
    Store, StoreError,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    suite::{LONG, Tested},
    support::{Server, faults, memcached},
};

fn store(servers: &[&Server], remote: RemoteOptions) -> MemcachedStore {
    let servers = servers
        .iter()
        .enumerate()
        .map(|(number, server)| MemcachedServer {
            name: number.to_string(),
            address: server.address().to_owned(),
        });
    let mut options = MemcachedOptions::new(servers);
    options.remote = remote;
    MemcachedStore::new(options).unwrap()
}

async fn two() -> (Tested, [Server; 2]) {
    let servers = [memcached(), memcached()];
    (
        Arc::new(store(&[&servers[0], &servers[1]], suite::patient())),
        servers,
    )
}

store_suite!(tokio::test, two);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_is_waited_for_no_longer_than_the_deadline() {
    let mut server = memcached();
    let store = store(&[&server], faults::remote());
    let breaker = store.breakers().remove(0);
    faults::survives(Arc::new(store), &mut server, &breaker).await;
}

#[tokio::test]
async fn a_server_that_is_away_takes_its_own_keys_only() {
    let (one, mut other) = (memcached(), memcached());
    let store = store(&[&one, &other], faults::remote());
    for number in 0..50_u8 {
        store.set(&[number], &[number], LONG).await.unwrap();
    }
    other.kill();
    let mut answered = 0;
    for number in 0..50_u8 {
        match store.get(&[number]).await {
            Ok(value) => {
                assert_eq!(value.as_deref(), Some(&[number][..]));
                answered += 1;
            }
            Err(error) => assert!(error.is_outage(), "{error}"),
        }
    }
    assert!((10..40).contains(&answered), "{answered}");
    assert_eq!(states(&store)[0], BreakerState::Closed);
    assert_ne!(states(&store)[1], BreakerState::Closed);
}

#[tokio::test]
async fn keys_are_as_they_are_where_they_can_be() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = memcached();
    let mut options = MemcachedOptions::new([server.address().into()]);
    options.prefix = "mt-".into();
    let store = MemcachedStore::new(options).unwrap();
    store
        .set(b"a@b,192.0.2.1", b"1764364701", LONG)
        .await
        .unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"get mt-a@b,192.0.2.1\r\nquit\r\n")
        .await
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert_eq!(
        reply,
        "VALUE mt-a@b,192.0.2.1 0 10\r\n1764364701\r\nEND\r\n"
    );
}

/// Answers the first command, and of the next one a part; then it closes. Counts the commands, over all connections.
async fn halves(listener: TcpListener, commands: Arc<AtomicUsize>) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        for reply in ["1\r\n", "2"] {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                break;
            }
            commands.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(reply.as_bytes()).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_command_whose_reply_has_begun_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let commands = Arc::<AtomicUsize>::default();
    let server = tokio::spawn(halves(listener, commands.clone()));
    let store = MemcachedStore::new(MemcachedOptions::new([address.as_str().into()])).unwrap();
    assert_eq!(store.add(b"key", 1, LONG).await.unwrap(), 1);
    let error = store.add(b"key", 1, LONG).await.unwrap_err();
    assert!(matches!(error, StoreError::Connection(_)), "{error}");
    assert_eq!(commands.load(Ordering::Relaxed), 2);
    server.abort();
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refused = |servers: &[&str], prefix: &str| {
        let mut options = MemcachedOptions::new(servers.iter().map(|&address| address.into()));
        options.prefix = prefix.into();
        matches!(MemcachedStore::new(options), Err(StoreError::Refused(_)))
    };
    assert!(refused(&[], ""));
    assert!(refused(&["host:x"], ""));
    assert!(refused(&["host"], "a b"));
    assert!(refused(&["host"], &"a".repeat(180)));
    assert!(!refused(&["host"], "mt-"));
}

/// What went over a way to a server.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    /// How often something was sent at once.
    sent: AtomicUsize,
}

/// A way to a server that counts.
async fn counted(server: &Server) -> (MemcachedStore, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (to, count) = (server.address().to_owned(), Arc::<Counts>::default());
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            counter.connections.fetch_add(1, Ordering::Relaxed);
            let server = TcpStream::connect(&to).await.unwrap();
            let ((mut from, mut back), (mut answers, mut on)) =
                (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while from.read_buf(&mut bytes).await.unwrap() > 0 {
                    counter.sent.fetch_add(1, Ordering::Relaxed);
                    on.write_all(&bytes).await.unwrap();
                    bytes.clear();
                }
            });
        }
    });
    let options = MemcachedOptions::new([MemcachedServer::from(&*address)]);
    (MemcachedStore::new(options).unwrap(), count)
}

#[tokio::test]
async fn calls_at_once_share_a_connection_and_what_is_sent() {
    let server = memcached();
    let (store, count) = counted(&server).await;
    let calls: Vec<_> = (0..200_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store.set(&[number], &[number], LONG).await.unwrap();
                store.get(&[number]).await.unwrap()
            })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().as_deref(), Some(&[number as u8][..]));
    }
    assert_eq!(count.connections.load(Ordering::Relaxed), 1);
    let sent = count.sent.load(Ordering::Relaxed);
    assert!(sent < 200, "{sent} times for 400 calls");
}

#[tokio::test]
async fn what_one_call_is_refused_costs_the_others_nothing() {
    let server = memcached();
    let (store, count) = counted(&server).await;
    let mut other = TcpStream::connect(server.address()).await.unwrap();
    let size = 1_040_000;
    let large = format!("set large 0 0 {size}\r\n{}\r\n", "x".repeat(size));
    other.write_all(large.as_bytes()).await.unwrap();
    other.read_exact(&mut [0; 8]).await.unwrap();
    store.set(b"key", b"value", LONG).await.unwrap();
    for _ in 0..10 {
        let (too_large, no_number, value) = tokio::join!(
            store.get(b"large"),
            store.add(b"key", 1, LONG),
            store.get(b"key"),
        );
        assert!(
            matches!(too_large, Err(StoreError::TooLarge { .. })),
            "{too_large:?}"
        );
        assert!(
            matches!(no_number, Err(StoreError::NotANumber)),
            "{no_number:?}"
        );
        assert_eq!(value.unwrap().as_deref(), Some(&b"value"[..]));
    }
    assert_eq!(count.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_lock_costs_one_round_trip_to_take_and_one_to_give_back() {
    let server = memcached();
    let (store, count) = counted(&server).await;
    let lock = Lock {
        key: b"lock",
        owner: b"me",
        ttl: Duration::from_secs(10),
    };
    for value in [&b"1"[..], b"2", b"3"] {
        let before = count.sent.load(Ordering::Relaxed);
        let locked = store.lock_and_get(lock, b"key").await.unwrap();
        assert_ne!(locked, Locked::Busy);
        let is_kept = store.set_and_unlock(lock, b"key", value, LONG).await;
        assert!(is_kept.unwrap());
        assert_eq!(count.sent.load(Ordering::Relaxed) - before, 2);
        assert_eq!(store.get(b"key").await.unwrap().as_deref(), Some(value));
    }
}

fn states(store: &MemcachedStore) -> Vec<BreakerState> {
    let breakers = store.breakers();
    breakers.iter().map(|breaker| breaker.state()).collect()
}

/// Answers one command on each of two connections, and sends one more line over the first when it is told to.
fn with_a_stray_line(
    listener: std::net::TcpListener,
    told: mpsc::Receiver<()>,
    sent: mpsc::Sender<()>,
) {
    use std::io::{BufRead as _, BufReader, Write as _};
    for sum in 1..=2 {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        write!(stream, "{sum}\r\n").unwrap();
        if sum == 1 {
            told.recv().unwrap();
            stream.write_all(b"77\r\n").unwrap();
            sent.send(()).unwrap();
        }
        // Until the client closes.
        while reader
            .read_line(&mut String::new())
            .is_ok_and(|read| read > 0)
        {}
    }
}

#[tokio::test]
async fn a_line_that_came_after_an_answer_is_not_taken_for_the_next_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    let (sent, wait) = mpsc::channel();
    let server = std::thread::spawn(|| with_a_stray_line(listener, told, sent));
    let store = MemcachedStore::new(MemcachedOptions::new([address.as_str().into()])).unwrap();
    assert_eq!(store.add(b"key", 1, LONG).await.unwrap(), 1);
    // The runtime has this thread alone: it hears of nothing meanwhile.
    tell.send(()).unwrap();
    wait.recv().unwrap();
    assert_eq!(store.add(b"key", 1, LONG).await.unwrap(), 2);
    drop(store);
    // What closes the connection runs in this thread.
    let joined = tokio::task::spawn_blocking(|| server.join());
    joined.await.unwrap().unwrap();
}

async fn one() -> (Tested, Server) {
    let server = memcached();
    (Arc::new(store(&[&server], suite::patient())), server)
}

mod of_one_server {
    use crate::store_suite;

    store_suite!(tokio::test, super::one);
}
