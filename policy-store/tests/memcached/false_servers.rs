//! Servers that close, hang or say too much while calls share the connection to them.

use std::{
    future::ready,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use policy_store::{MemcachedOptions, MemcachedStore, Store as _, StoreError};
use tokio::{sync::oneshot, time::timeout};

use crate::suite::LONG;

/// A store on a server whose connections are served by threads, each with the number of its connection.
fn store_on(serve: impl Fn(usize, TcpStream) + Clone + Send + 'static) -> MemcachedStore {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let serve = serve.clone();
            thread::spawn(move || serve(number, stream.unwrap()));
        }
    });
    MemcachedStore::new(MemcachedOptions::new([address.as_str().into()])).unwrap()
}

/// The next command, which has no value, or nothing if the client has closed.
fn command(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

/// Answers each command that adds, until the client closes.
fn add(mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    for sum in 1.. {
        if command(&mut reader).is_none() || write!(stream, "{sum}\r\n").is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn what_a_server_said_before_it_closed_is_heard_by_whom_it_is_for() {
    let (asked, is_asked) = oneshot::channel();
    let (close, closes) = mpsc::channel::<()>();
    let (closed, is_closed) = mpsc::channel();
    let once = Arc::new(Mutex::new(Some((asked, closes, closed))));
    let store = store_on(move |number, mut stream| {
        if number > 0 {
            return add(&stream);
        }
        let (asked, closes, closed) = once.lock().unwrap().take().unwrap();
        // The last byte is not read: the connection is reset.
        stream.read_exact(&mut [0; b"incr a 1\r".len()]).unwrap();
        asked.send(()).unwrap();
        closes.recv().unwrap();
        stream.write_all(b"5\r\n").unwrap();
        drop(stream);
        closed.send(()).unwrap();
    });
    let other = async {
        is_asked.await.unwrap();
        // The runtime has this thread alone: it hears of nothing meanwhile.
        close.send(()).unwrap();
        is_closed.recv().unwrap();
        store.add(b"b", 1, LONG).await
    };
    let (sum, _) = tokio::join!(store.add(b"a", 1, LONG), other);
    assert_eq!(sum.unwrap(), 5);
}

#[tokio::test]
async fn a_command_that_was_sent_to_a_server_that_still_answered_is_not_sent_again() {
    let commands = Arc::<AtomicUsize>::default();
    let count = commands.clone();
    let store = store_on(move |_, stream| {
        let mut reader = BufReader::new(&stream);
        for reply in ["1\r\n", "2\r\n", ""] {
            if command(&mut reader).is_none() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
            (&stream).write_all(reply.as_bytes()).unwrap();
        }
    });
    assert_eq!(store.add(b"a", 1, LONG).await.unwrap(), 1);
    let (sum, lost) = tokio::join!(store.add(b"a", 1, LONG), store.add(b"b", 1, LONG));
    assert_eq!(sum.unwrap(), 2);
    let error = lost.unwrap_err();
    assert!(matches!(error, StoreError::Connection(_)), "{error}");
    assert_eq!(commands.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_connection_that_is_full_of_calls_that_were_given_up_is_closed() {
    let (closed, is_closed) = oneshot::channel();
    let once = Arc::new(Mutex::new(Some(closed)));
    let store = store_on(move |number, stream| {
        if number > 0 {
            return add(&stream);
        }
        // Swallows all that comes.
        _ = std::io::copy(&mut &stream, &mut std::io::sink());
        once.lock().unwrap().take().unwrap().send(()).unwrap();
    });
    let calls: Vec<_> = (0..2000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.add(b"key", 1, LONG).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    // The breaker's trial takes another one.
    let in_time = timeout(Duration::from_secs(20), is_closed).await;
    in_time.expect("it is still open").unwrap();
}

#[tokio::test]
async fn what_was_given_up_before_it_was_sent_is_never_sent() {
    let (tell, told) = mpsc::channel();
    let store = store_on(move |_, stream| {
        let mut reader = BufReader::new(&stream);
        while let Some(command) = command(&mut reader) {
            tell.send(command).unwrap();
            (&stream).write_all(b"DELETED\r\n").unwrap();
        }
    });
    assert!(store.delete(b"a").await.unwrap());
    tokio::select! {
        biased;
        _ = store.delete(b"b") => panic!("answered before it was asked"),
        () = ready(()) => {}
    }
    assert!(store.delete(b"c").await.unwrap());
    drop(store);
    let commands: Vec<_> = told.try_iter().collect();
    assert_eq!(commands, ["delete a", "delete c"]);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_not_waited_for() {
    let store = store_on(|_, stream| {
        let mut reader = BufReader::new(&stream);
        command(&mut reader).unwrap();
        (&stream)
            .write_all(b"VALUE key 0 1073741824 1\r\n")
            .unwrap();
        // Until the client closes.
        _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let error = store.get(b"key").await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

#[test]
fn a_store_is_used_in_a_runtime_after_the_one_that_connected_has_ended() {
    let count = Arc::<AtomicUsize>::default();
    let store = store_on(move |_, stream| {
        let mut reader = BufReader::new(&stream);
        while command(&mut reader).is_some() {
            let sum = count.fetch_add(1, Ordering::Relaxed) + 1;
            _ = write!(&stream, "{sum}\r\n");
        }
    });
    for sum in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let added = runtime.block_on(store.add(b"key", 1, LONG));
        assert_eq!(added.unwrap(), sum);
    }
}
