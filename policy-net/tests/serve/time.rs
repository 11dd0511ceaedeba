//! Time-outs of a client that is idle or slow.

use std::{io, time::Duration};

use policy_net::{
    ClientError, Clients, ConnectionError, Drain, Peer, ServeOptions, serve_connection,
};
use policy_proto::Response;
use policy_testing::pipe::{ms, request, s, timed};
use tokio::{
    io::{AsyncWriteExt, duplex},
    time::{sleep, timeout},
};

use crate::{echo, reply, rest, served};

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_request_is_cut_off() {
    let drain = Drain::default();
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
    assert!(matches!(
        ended.unwrap(),
        Err(ConnectionError::Client(ClientError::TooSlow))
    ));
    assert_eq!(took, s(30));
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blank_line_in_two_pieces_begins_no_request_that_could_be_slow() {
    let drain = Drain::default();
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
    let drain = Drain::default();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        sleep(s(50)).await;
        echo(request)
    });
    client.write_all(request("a").as_bytes()).await.unwrap();
    client.write_all(b"request=").await.unwrap();
    let (ended, took) = timed(served).await;
    assert!(matches!(
        ended.unwrap(),
        Err(ConnectionError::Client(ClientError::TooSlow))
    ));
    assert_eq!(took, s(80), "the client is not slow while the server is");
    assert_eq!(rest(client).await, "action=a\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_for_too_long_is_closed_without_a_word() {
    let drain = Drain::default();
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
    let drain = Drain::default();
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
    let drain = Drain::default();
    let served = tokio::spawn(async move {
        let (clients, peer) = (Clients::default(), Peer::default());
        serve_connection(server, &handler, clients, &peer, drain.begun()).await
    });
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
    options.clients.idle = Duration::MAX;
    options.clients.request = Duration::MAX;
    options.clients.memory_wait = Duration::MAX;
    let drain = Drain::default();
    let (mut client, _served) = served(options, &drain, |request| async move { echo(request) });
    sleep(s(100_000)).await;
    client.write_all(b"request=").await.unwrap();
    sleep(s(100_000)).await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut client).await, "action=a\n\n");
}
