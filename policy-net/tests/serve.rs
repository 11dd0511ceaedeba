//! Serving, on real TCP and UNIX sockets where sockets matter, over pipes and on a paused clock
//! where time does.

mod support;

use std::{
    future::ready,
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use policy_ha::{Backend, Config, Preference};
use policy_net::{
    BoxError, Client, Connect, ConnectionError, Connector, Endpoint, Listener, Patience,
    ServeOptions, Service, Stream, Upstream, UpstreamOptions, accept, serve, serve_connection,
};
use policy_proto::{DecodeError, Limits, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::UnixStream,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet, yield_now},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use support::{mark_of, ms, request, s, timed};

// Answers

#[tokio::test]
async fn requests_in_one_write_are_answered_in_order() {
    for server in both(|request| async move { echo(request) }).await {
        let mut client = server.connect().await;
        let wire: Vec<u8> = (0..100)
            .flat_map(|mark| request(mark).as_bytes().to_vec())
            .collect();
        client.write_all(&wire).await.unwrap();
        for mark in 0..100 {
            assert_eq!(reply(&mut client).await, format!("action={mark}\n\n"));
        }
    }
}

#[tokio::test]
async fn requests_that_come_byte_by_byte_are_answered() {
    for server in both(|request| async move { echo(request) }).await {
        let mut client = server.connect().await;
        for mark in ["a", "b"] {
            for byte in request(mark).as_bytes() {
                client.write_all(&[*byte]).await.unwrap();
            }
            assert_eq!(reply(&mut client).await, format!("action={mark}\n\n"));
        }
    }
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    for server in both(|request| async move { echo(request) }).await {
        let mut clients = Vec::new();
        for mark in 0..50 {
            let mut client = server.connect().await;
            client.write_all(request(mark).as_bytes()).await.unwrap();
            clients.push(client);
        }
        for (mark, client) in clients.iter_mut().enumerate().rev() {
            assert_eq!(reply(client).await, format!("action={mark}\n\n"));
        }
    }
}

#[tokio::test]
async fn one_call_makes_a_server() {
    let listener = Listener::bind(&tcp()).await.unwrap();
    let connector = Connector::new(listener.endpoint().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or_default() };
    let served = tokio::spawn(async move {
        serve(listener, |request| async move { echo(request) }, shutdown).await;
    });
    for mark in 0..3 {
        let mut client = Client::new(connector.connect(s(10)).await.unwrap());
        client.ask(&request(mark)).await.unwrap();
    }
    drop(stop);
    served.await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_gets_its_replies() {
    for server in both(|request| async move { echo(request) }).await {
        let mut client = server.connect().await;
        client.write_all(request("a").as_bytes()).await.unwrap();
        client.write_all(request("b").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(client).await, "action=a\n\naction=b\n\n");
    }
}

// The end

#[tokio::test]
async fn requests_under_way_are_answered_at_the_end_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let gate = Arc::new(Semaphore::new(0));
        let handler = {
            let gate = Arc::clone(&gate);
            move |request: Request| {
                let gate = Arc::clone(&gate);
                async move {
                    if mark_of(&request) != "idle" {
                        let _ = gate.acquire().await?;
                    }
                    echo(request)
                }
            }
        };
        let mut server = Server::start(&endpoint, ServeOptions::default(), handler).await;
        let mut idle = server.connect().await;
        idle.write_all(request("idle").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut idle).await, "action=idle\n\n");
        let mut clients = Vec::new();
        for mark in 0..50 {
            let mut client = server.connect().await;
            client.write_all(request(mark).as_bytes()).await.unwrap();
            clients.push(client);
        }
        server.handled(51).await;

        server.stop();
        assert_eq!(rest(idle).await, "", "idle connections are closed");
        let refused = Connector::new(server.endpoint.clone()).connect(s(1)).await;
        assert_eq!(
            refused.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        gate.add_permits(50);
        for (mark, client) in clients.into_iter().enumerate() {
            assert_eq!(rest(client).await, format!("action={mark}\n\n"));
        }
        server.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_begun_when_the_end_comes_may_finish() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    let wire = request("a");
    let (head, tail) = wire.as_bytes().split_at(20);
    client.write_all(head).await.unwrap();
    sleep(s(1)).await;
    drain.cancel();
    sleep(s(1)).await;
    client.write_all(tail).await.unwrap();
    assert_eq!(rest(client).await, "action=a\n\n");
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut_off() {
    let mut options = ServeOptions::default();
    options.drain = ms(10);
    let mut server = Server::start(&tcp(), options, |_| async {
        std::future::pending::<()>().await;
        Err("never".into())
    })
    .await;
    let mut client = server.connect().await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    server.handled(1).await;
    server.stop();
    server.task.await.unwrap();
    assert_eq!(rest(client).await, "");
}

// Trouble

#[tokio::test]
async fn a_handler_that_panics_costs_its_own_connection_only() {
    let handler = |request: Request| async move {
        assert_ne!(mark_of(&request), "panic", "as the test wants it");
        echo(request)
    };
    for server in both(handler).await {
        let (mut other, mut client) = (server.connect().await, server.connect().await);
        for _ in 0..3 {
            client.write_all(request("panic").as_bytes()).await.unwrap();
            assert_eq!(rest(client).await, "");
            other.write_all(request("a").as_bytes()).await.unwrap();
            assert_eq!(reply(&mut other).await, "action=a\n\n");
            client = server.connect().await;
        }
    }
}

#[tokio::test]
async fn a_handlers_error_closes_the_connection_without_a_byte() {
    let handler = |request: Request| async move {
        match mark_of(&request).as_str() {
            "trouble" => Err("the database is away".into()),
            _ => echo(request),
        }
    };
    for server in both(handler).await {
        let mut client = server.connect().await;
        client.write_all(request("a").as_bytes()).await.unwrap();
        client
            .write_all(request("trouble").as_bytes())
            .await
            .unwrap();
        assert_eq!(rest(client).await, "action=a\n\n");
    }
}

#[tokio::test]
async fn an_invalid_request_closes_its_connection_only() {
    for server in both(|request| async move { echo(request) }).await {
        let (mut other, mut client) = (server.connect().await, server.connect().await);
        client.write_all(b"EHLO there\n").await.unwrap();
        assert_eq!(rest(client).await, "");
        other.write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut other).await, "action=a\n\n");
    }
}

#[tokio::test]
async fn the_reason_why_a_connection_had_to_end_is_told() {
    let cases: [(&[u8], DecodeError); 4] = [
        (b"EHLO\n", DecodeError::NoEquals { offset: 0 }),
        (b"a=b\nc=d", DecodeError::UnexpectedEnd),
        (b"a=bcdefghi\n\n", DecodeError::LineTooLong { limit: 8 }),
        (
            b"a=b\na=b\na=b\na=b\na=b\n\n",
            DecodeError::MessageTooLong { limit: 16 },
        ),
    ];
    for (bytes, wanted) in cases {
        let mut options = ServeOptions::default();
        options.limits = Limits::default().with_line(8).with_message(16);
        let drain = CancellationToken::new();
        let (mut client, served) = served(options, &drain, |request| async move { echo(request) });
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        match served.await.unwrap() {
            Err(ConnectionError::Decode(error)) => assert_eq!(error, wanted),
            other => panic!("{other:?}"),
        }
    }
}

// Time

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_request_is_cut_off() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    sleep(s(100)).await;
    let dripping = tokio::spawn(async move {
        while client.write_all(b"a").await.is_ok() {
            sleep(s(7)).await;
        }
    });
    let (ended, took) = timed(served).await;
    assert!(matches!(ended.unwrap(), Err(ConnectionError::TooSlow)));
    assert_eq!(took, s(30));
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blank_line_in_two_pieces_begins_no_request_that_could_be_slow() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    client.write_all(b"\r").await.unwrap();
    sleep(s(1)).await;
    client.write_all(b"\n").await.unwrap();
    sleep(s(100)).await;
    let wire = request("a").as_bytes().to_vec();
    for piece in wire.chunks(8) {
        client.write_all(piece).await.unwrap();
        sleep(ms(100)).await;
    }
    client.shutdown().await.unwrap();
    served.await.unwrap().unwrap();
    assert_eq!(rest(client).await, "action=a\n\n");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_request_that_came_with_another_is_waited_for_no_longer() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        sleep(s(50)).await;
        echo(request)
    });
    client.write_all(request("a").as_bytes()).await.unwrap();
    client.write_all(b"request=").await.unwrap();
    let (ended, took) = timed(served).await;
    assert!(matches!(ended.unwrap(), Err(ConnectionError::TooSlow)));
    assert_eq!(took, s(80), "the client is not slow while the server is");
    assert_eq!(rest(client).await, "action=a\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_for_too_long_is_closed_without_a_word() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    sleep(s(1199)).await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut client).await, "action=a\n\n");
    let (ended, took) = timed(served).await;
    ended.unwrap().unwrap();
    assert_eq!(took, s(1200));
}

#[tokio::test(start_paused = true)]
async fn a_blank_line_begins_no_request() {
    let drain = CancellationToken::new();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    client.write_all(b"\n").await.unwrap();
    sleep(s(100)).await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut client).await, "action=a\n\n");

    let blank = tokio::spawn(async move {
        while client.write_all(b"\n").await.is_ok() {
            sleep(s(20)).await;
        }
    });
    let (ended, took) = timed(served).await;
    ended.unwrap().unwrap();
    assert_eq!(
        took,
        s(1200),
        "nor does it keep the connection from being idle"
    );
    blank.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_reply_is_cut_off() {
    let (mut client, server) = duplex(64);
    let handler = |_| async { Ok(Response::new("x".repeat(1000))?) };
    let (options, drain) = (ServeOptions::default(), CancellationToken::new());
    let served =
        tokio::spawn(async move { serve_connection(server, handler, &options, &drain).await });
    client.write_all(request("a").as_bytes()).await.unwrap();
    let (ended, took) = timed(timeout(s(3600), served)).await;
    match ended.expect("in an hour").unwrap() {
        Err(ConnectionError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    assert_eq!(took, s(30));
}

#[tokio::test(start_paused = true)]
async fn patience_may_be_endless() {
    let mut options = ServeOptions::default();
    options.patience = Patience {
        idle: Some(Duration::MAX),
        request: Some(Duration::MAX),
    };
    let drain = CancellationToken::new();
    let (mut client, _served) = served(options, &drain, |request| async move { echo(request) });
    sleep(s(100_000)).await;
    client.write_all(b"request=").await.unwrap();
    sleep(s(100_000)).await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut client).await, "action=a\n\n");
}

// Limits

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let mut options = ServeOptions::default();
    options.max_connections = 2;
    let server = Server::start(&tcp(), options, |request| async move { echo(request) }).await;
    let mut clients = [server.connect().await, server.connect().await];
    for client in &mut clients {
        client.write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(client).await, "action=a\n\n");
    }
    let mut third = server.connect().await;
    third.write_all(request("third").as_bytes()).await.unwrap();
    for _ in 0..100 {
        clients[0].write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut clients[0]).await, "action=a\n\n");
    }
    assert!(!server.marks().contains(&"third".into()));
    drop(clients);
    assert_eq!(reply(&mut third).await, "action=third\n\n");
}

#[tokio::test]
async fn connections_that_have_ended_or_panicked_give_their_places_back() {
    let mut options = ServeOptions::default();
    options.max_connections = 1;
    let server = Server::start(&tcp(), options, |request| async move {
        assert_ne!(mark_of(&request), "0", "as the test wants it");
        echo(request)
    })
    .await;
    for mark in 0..200 {
        let mut client = server.connect().await;
        client
            .write_all(request(mark % 20).as_bytes())
            .await
            .unwrap();
        client.shutdown().await.unwrap();
        let wanted = match mark % 20 {
            0 => String::new(),
            mark => format!("action={mark}\n\n"),
        };
        assert_eq!(rest(client).await, wanted);
    }
}

// Clients that go away

#[tokio::test]
async fn the_work_for_a_client_that_has_gone_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let (dropped, mut given_up) = mpsc::unbounded_channel();
        let server = Server::start(&endpoint, ServeOptions::default(), move |_| {
            let guard = OnDrop(dropped.clone());
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                Err("never".into())
            }
        })
        .await;
        let mut client = server.connect().await;
        client.write_all(request("a").as_bytes()).await.unwrap();
        server.handled(1).await;
        gone(client);
        given_up.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_still_waits() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let gate = Arc::new(Semaphore::new(0));
        let server = Server::start(&endpoint, ServeOptions::default(), {
            let gate = Arc::clone(&gate);
            move |request| {
                let gate = Arc::clone(&gate);
                async move {
                    if mark_of(&request) == "slow" {
                        let _ = gate.acquire().await?;
                    }
                    echo(request)
                }
            }
        })
        .await;
        let (mut client, mut other) = (server.connect().await, server.connect().await);
        client.write_all(request("slow").as_bytes()).await.unwrap();
        server.handled(1).await;
        client.shutdown().await.unwrap();
        // Enough turns for the server to have seen the end.
        for _ in 0..100 {
            other.write_all(request("a").as_bytes()).await.unwrap();
            assert_eq!(reply(&mut other).await, "action=a\n\n");
        }
        gate.add_permits(1);
        assert_eq!(rest(client).await, "action=slow\n\n");
    }
}

#[tokio::test]
async fn a_tcp_client_that_has_closed_looks_like_one_that_waits() {
    let (end, mut ended) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(&tcp(), ServeOptions::default(), {
        let gate = Arc::clone(&gate);
        move |request| {
            let (gate, end) = (Arc::clone(&gate), end.clone());
            async move {
                if mark_of(&request) == "slow" {
                    let _ = gate.acquire().await?;
                    end.send("worked to the end")?;
                }
                echo(request)
            }
        }
    })
    .await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    client.write_all(request("slow").as_bytes()).await.unwrap();
    server.handled(1).await;
    drop(client);
    for _ in 0..100 {
        other.write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut other).await, "action=a\n\n");
    }
    gate.add_permits(1);
    assert_eq!(ended.recv().await, Some("worked to the end"));
}

// Connecting

#[tokio::test]
async fn a_name_with_several_addresses_is_reached_at_the_one_that_listens() {
    let server = Server::start(&tcp(), ServeOptions::default(), |request| async move {
        echo(request)
    })
    .await;
    let Endpoint::Inet { port, .. } = server.endpoint else {
        panic!("{}", server.endpoint);
    };
    let endpoint = Endpoint::Inet {
        host: "localhost".into(),
        port,
    };
    for connector in [
        Connector::new(endpoint.clone()),
        Connector::new(endpoint).ipv4_first(),
    ] {
        for mark in 0..3 {
            let mut client = Client::new(connector.connect(s(10)).await.unwrap());
            let answer = client.ask(&request(mark)).await.unwrap();
            assert_eq!(answer.as_bytes(), mark.to_string().as_bytes());
        }
    }
}

#[tokio::test]
async fn a_unix_socket_without_a_listener_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = unix(dir.path());
    let error = Connector::new(endpoint.clone())
        .connect(s(10))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    drop(Listener::bind(&endpoint).await.unwrap());
    let error = Connector::new(endpoint).connect(s(10)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_full_queue_of_a_unix_socket_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = unix(dir.path());
    let listener = Listener::bind(&endpoint).await.unwrap();
    let Listener::Unix(socket) = &listener else {
        panic!("{listener:?}");
    };
    rustix::net::listen(socket, 0).unwrap();
    let connector = Arc::new(Connector::new(endpoint));
    let _first = connector.connect(s(10)).await.unwrap();

    let error = connector.connect(ms(50)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let second = tokio::spawn(async move { connector.connect(s(10)).await });
    yield_now().await;
    listener.accept().await.unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_existing_file_is_not_replaced_by_a_listener() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = unix(dir.path());
    let _first = Listener::bind(&endpoint).await.unwrap();
    let error = Listener::bind(&endpoint).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// So that nobody believes of a connection that it is served which comes just too late.
#[tokio::test]
async fn what_was_passed_is_served_at_the_end_and_nothing_can_be_passed_then() {
    let (passer, listener) = Listener::passed();
    let (connection, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let pass = || passer.pass(connection.try_clone().unwrap().into());
    pass().unwrap();
    pass().unwrap();
    let mut late = Vec::new();
    let connection = |_, _| {
        // Else each would bring the next.
        if late.len() < 4 {
            late.push(pass().is_err());
        }
        ready(())
    };
    accept(listener, &ServeOptions::default(), connection, ready(())).await;
    assert_eq!(late, [true, true]);
    assert_eq!(passer.waiting(), 0);
}

#[tokio::test]
async fn what_was_passed_and_is_no_connection_is_closed_and_waits_no_more() {
    let (passer, listener) = Listener::passed();
    let file = std::fs::File::open("/dev/null").unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    passer.pass(file.into()).unwrap();
    passer.pass(near.into_std().unwrap().into()).unwrap();
    assert_eq!(passer.waiting(), 2);
    listener
        .accept()
        .await
        .unwrap()
        .write_all(b"x")
        .await
        .unwrap();
    assert_eq!((passer.waiting(), far.read_u8().await.unwrap()), (0, b'x'));
}

#[tokio::test]
async fn ipv6_is_served() {
    let endpoint: Endpoint = "inet:[::1]:0".parse().unwrap();
    match Listener::bind(&endpoint).await {
        Ok(listener) => {
            let text = listener.endpoint().unwrap().to_string();
            assert!(text.starts_with("inet:[::1]:"), "{text}");
            let connector = Connector::new(text.parse().unwrap());
            connector.connect(s(10)).await.unwrap();
        }
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable),
    }
}

// All together

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_gets_its_own_answer_while_a_service_dies_and_comes_back() {
    const CLIENTS: usize = 100;
    const REQUESTS: usize = 150;
    const ALL: usize = CLIENTS * REQUESTS;

    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let backend = |endpoint: Endpoint, index: usize| {
        let count = Arc::clone(&counts[index]);
        async move {
            Server::start(&endpoint, ServeOptions::default(), move |request| {
                count.fetch_add(1, SeqCst);
                async move { echo(request) }
            })
            .await
        }
    };
    let first = backend(tcp(), 0).await;
    let second = backend(tcp(), 1).await;
    let mut options = UpstreamOptions::default();
    options.balancer = Config::default()
        .with_min_backoff(ms(5))
        .with_max_backoff(ms(5));
    let services = [&first, &second].map(|server| Service {
        connect: Connector::new(server.endpoint.clone()),
        backend: Backend::default(),
        timeout: s(10),
    });
    let upstream = Upstream::new(options, services).unwrap();
    let proxy = Server::start(&tcp(), ServeOptions::default(), move |request| {
        let upstream = upstream.clone();
        async move {
            let answer = upstream.ask(&request, Preference::None, |_| {}).await?;
            Ok(answer.response)
        }
    })
    .await;

    let (progress, mut done) = watch::channel(0);
    let progress = Arc::new(progress);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (endpoint, progress) = (proxy.endpoint.clone(), Arc::clone(&progress));
        clients.spawn(async move {
            let io = Connector::new(endpoint).connect(s(10)).await.unwrap();
            let mut io = Client::new(io);
            for number in 0..REQUESTS {
                let mark = format!("{client}.{number}");
                let answer = io.ask(&request(&mark)).await.unwrap();
                assert_eq!(answer.as_str(), Some(&mark[..]));
                assert!(io.settle().await);
                progress.send_modify(|done| *done += 1);
            }
        });
    }

    done.wait_for(|done| *done >= ALL * 3 / 10).await.unwrap();
    let endpoint = first.endpoint.clone();
    first.task.abort();
    assert!(first.task.await.unwrap_err().is_cancelled());
    let before = counts.each_ref().map(|count| count.load(SeqCst));
    done.wait_for(|done| *done >= ALL * 6 / 10).await.unwrap();
    let amid = counts.each_ref().map(|count| count.load(SeqCst));
    let _first = backend(endpoint, 0).await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let after = counts.each_ref().map(|count| count.load(SeqCst));

    assert_eq!(*done.borrow(), ALL);
    assert!(before.iter().all(|count| *count > ALL / 10), "{before:?}");
    assert!(
        after[0] - amid[0] > ALL / 10 && after[1] - amid[1] > ALL / 10,
        "{amid:?} {after:?}"
    );
}

// Help

/// A server on a real socket.
struct Server {
    endpoint: Endpoint,
    marks: Arc<Mutex<Vec<String>>>,
    handled: watch::Receiver<usize>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _dir: Option<tempfile::TempDir>,
}

impl Server {
    async fn start<H, F>(endpoint: &Endpoint, options: ServeOptions, handler: H) -> Self
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, BoxError>> + Send,
    {
        let listener = Listener::bind(endpoint).await.unwrap();
        let endpoint = listener.endpoint().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (begun, handled) = watch::channel(0);
        let marks = Arc::<Mutex<Vec<_>>>::default();
        let handler = {
            let (marks, begun) = (Arc::clone(&marks), Arc::new(begun));
            move |request: Request| {
                marks.lock().unwrap().push(mark_of(&request));
                begun.send_modify(|begun| *begun += 1);
                handler(request)
            }
        };
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            let connection = |io, drain| {
                let (handler, options) = (handler.clone(), options.clone());
                async move {
                    let _ = serve_connection(io, handler, &options, &drain).await;
                }
            };
            accept(listener, &options, connection, shutdown).await;
        });
        Self {
            endpoint,
            marks,
            handled,
            stop: Some(stop),
            task,
            _dir: None,
        }
    }

    async fn connect(&self) -> Stream {
        let connector = Connector::new(self.endpoint.clone());
        connector.connect(s(10)).await.unwrap()
    }

    /// Waits until so many requests have come to the handler.
    async fn handled(&self, wanted: usize) {
        let mut handled = self.handled.clone();
        handled
            .wait_for(|handled| *handled >= wanted)
            .await
            .unwrap();
    }

    fn marks(&self) -> Vec<String> {
        self.marks.lock().unwrap().clone()
    }

    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// The same server on TCP and on a UNIX socket.
async fn both<H, F>(handler: H) -> [Server; 2]
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let dir = tempfile::tempdir().unwrap();
    let options = ServeOptions::default();
    let tcp = Server::start(&tcp(), options.clone(), handler.clone()).await;
    let mut unix = Server::start(&unix(dir.path()), options, handler).await;
    unix._dir = Some(dir);
    [tcp, unix]
}

/// One connection over a pipe.
fn served<H, F>(
    options: ServeOptions,
    drain: &CancellationToken,
    handler: H,
) -> (
    tokio::io::DuplexStream,
    JoinHandle<Result<(), ConnectionError>>,
)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let (client, server) = duplex(4096);
    let drain = drain.clone();
    let served =
        tokio::spawn(async move { serve_connection(server, handler, &options, &drain).await });
    (client, served)
}

fn echo(request: Request) -> Result<Response, BoxError> {
    Ok(Response::new(mark_of(&request))?)
}

fn tcp() -> Endpoint {
    "inet:127.0.0.1:0".parse().unwrap()
}

fn unix(dir: &Path) -> Endpoint {
    Endpoint::Unix(dir.join("policy.sock"))
}

/// One reply, up to its blank line.
async fn reply(io: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        reply.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(reply).unwrap()
}

/// All that comes before the other side closes.
async fn rest(mut io: impl AsyncReadExt + Unpin) -> String {
    let mut rest = String::new();
    io.read_to_string(&mut rest).await.unwrap();
    rest
}

/// Leaves as abruptly as this kind of socket can.
fn gone(client: Stream) {
    if let Stream::Tcp(tcp) = &client {
        tcp.set_zero_linger().unwrap();
    }
    drop(client);
}

struct OnDrop(mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
