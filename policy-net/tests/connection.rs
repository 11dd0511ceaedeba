//! A server's side of one connection, without what a server makes of it.

use std::{
    future::poll_fn,
    os::fd::OwnedFd,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use policy_net::{ClientOptions, Clients, Connection, Drain, Stream};
use policy_proto::Response;
use policy_testing::pipe::{mark_of, ms, request, s};
use tokio::{
    io::{AsyncWriteExt, duplex},
    net::UnixStream,
    task::yield_now,
    time::timeout,
};

#[tokio::test]
async fn a_closed_unix_socket_is_told_from_one_that_has_only_ended_also_when_writing_would_block() {
    for (full, closed) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut client, server) = UnixStream::pair().unwrap();
        let mut server = Stream::try_from(OwnedFd::from(server.into_std().unwrap())).unwrap();
        if full {
            let block = vec![b'x'; 1 << 24];
            assert!(timeout(ms(50), server.write_all(&block)).await.is_err());
        }
        let mut connection = Connection::new(server, Clients::default());
        client.write_all(request("a").as_bytes()).await.unwrap();
        let asked = connection.request(std::future::pending()).await;
        assert!(asked.unwrap().is_some());
        let _kept_open = if closed {
            drop(client);
            None
        } else {
            client.shutdown().await.unwrap();
            Some(client)
        };
        let is_gone = timeout(ms(50), connection.gone()).await.is_ok();
        assert_eq!(is_gone, closed, "full: {full}");
    }
}

#[tokio::test]
async fn a_drain_is_asked_only_while_no_byte_of_a_request_has_come() {
    let (mut client, server) = duplex(4096);
    let mut connection = Connection::new(server, Clients::default());
    let polled = AtomicUsize::new(0);
    let mut asked = 0;
    for (sent, is_idle) in [
        ("", true),
        ("instance=", false),
        ("a\n", false),
        // A request, and a part of the next one.
        ("\ninstance=", false),
        ("b\n\n", false),
        ("\n", true),
    ] {
        client.write_all(sent.as_bytes()).await.unwrap();
        let drain = poll_fn(|_| {
            polled.fetch_add(1, SeqCst);
            Poll::<()>::Pending
        });
        let before = polled.load(SeqCst);
        let mut cx = Context::from_waker(Waker::noop());
        let is_ready = pin!(connection.request(drain)).poll(&mut cx).is_ready();
        asked += usize::from(is_ready);
        if is_ready {
            connection.reply(&Response::dunno()).await.unwrap();
        }
        let was_asked = polled.load(SeqCst) > before;
        assert_eq!(was_asked, is_idle, "{sent:?}");
    }
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_request_that_has_begun_is_read_to_its_end_after_a_drain_of_any_kind_has_ended() {
    let (mut client, server) = duplex(4096);
    client.write_all(b"instance=a\n").await.unwrap();
    let mut connection = Connection::new(server, Clients::default());
    let rest = async {
        for part in [&b"b=c\n"[..], b"\n"] {
            yield_now().await;
            client.write_all(part).await.unwrap();
        }
    };
    // Such a future must not be polled after its end.
    let (request, ()) = tokio::join!(connection.request(async {}), rest);
    assert_eq!(mark_of(&request.unwrap().unwrap()), "a");
    connection.reply(&Response::dunno()).await.unwrap();
    assert!(connection.request(async {}).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_ahead_is_read_no_further_than_there_is_room_beside_its_request() {
    let (mut client, server) = duplex(1024);
    let mut connection = Connection::new(server, Clients::default());
    let sent = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            while let Ok(written) = client.write(request("a").as_bytes()).await {
                sent.fetch_add(written, SeqCst);
            }
        }
    });
    let drain = Drain::default();
    connection.request(drain.begun()).await.unwrap().unwrap();
    assert!(timeout(s(3600), connection.gone()).await.is_err());
    let sent = sent.load(SeqCst);
    // The request, 5 KiB beside it, and the pipe.
    assert_eq!(sent, request("a").as_bytes().len() + (6 << 10));
}

#[tokio::test]
async fn what_comes_while_a_request_is_worked_on_is_kept() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut connection = Connection::new(server, Clients::default());
    let drain = Drain::default();
    client.write_all(request("a").as_bytes()).await.unwrap();
    client
        .write_all(&request("b").as_bytes()[..20])
        .await
        .unwrap();
    assert_eq!(
        mark_of(&connection.request(drain.begun()).await.unwrap().unwrap()),
        "a"
    );
    assert!(timeout(ms(10), connection.gone()).await.is_err());
    client
        .write_all(&request("b").as_bytes()[20..])
        .await
        .unwrap();
    assert!(timeout(ms(10), connection.gone()).await.is_err());
    connection.reply(&Response::dunno()).await.unwrap();
    assert_eq!(
        mark_of(&connection.request(drain.begun()).await.unwrap().unwrap()),
        "b"
    );
}

#[tokio::test]
async fn a_reply_does_not_wake_the_task_that_sends_it() {
    let (mut client, server) = duplex(4096);
    let mut connection = Connection::new(server, Clients::default());
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let cx = &mut Context::from_waker(&waker);
    for mark in ["a", "b"] {
        client.write_all(request(mark).as_bytes()).await.unwrap();
        let asked = pin!(connection.request(std::future::pending())).poll(cx);
        assert!(matches!(asked, Poll::Ready(Ok(Some(_)))), "{mark}");
        let replied = pin!(connection.reply(&Response::dunno())).poll(cx);
        assert!(matches!(replied, Poll::Ready(Ok(()))), "{mark}");
    }
    assert_eq!(wakes.0.load(SeqCst), 0);
}

/// How often a task has been woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[tokio::test]
async fn lines_that_are_left_out_are_told_whatever_comes_behind_them() {
    for (sent, requests, ignored) in [
        ("rubbish\na=1\n\n", 1, &["rubbish"][..]),
        ("a=1\n\nrubbish\n", 1, &["rubbish"]),
        ("rubbish\n", 0, &["rubbish"]),
        ("rubbish\nmore of it\n\n", 0, &["rubbish", "more of it"]),
        ("rubbish\na=\0\n", 0, &["rubbish", "a=\0"]),
    ] {
        let (mut client, server) = UnixStream::pair().unwrap();
        let mut options = ClientOptions::default();
        options.lenient = true;
        let mut connection = Connection::new(server, Clients::new(options));
        client.write_all(sent.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let drain = Drain::default();
        let (mut answered, mut told) = (0, Vec::new());
        loop {
            let request = connection.request(drain.begun()).await;
            told.extend(connection.take_skipped().lines);
            match request {
                Ok(Some(_)) => {
                    answered += 1;
                    connection.reply(&Response::dunno()).await.unwrap();
                }
                _ => break,
            }
        }
        assert_eq!(answered, requests, "{sent:?}");
        assert_eq!(told, ignored, "{sent:?}");
    }
}
