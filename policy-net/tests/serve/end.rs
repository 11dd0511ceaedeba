//! The orderly end of a server: what is still answered, and what is cut off.

use std::{io, sync::Arc};

use policy_net::{Connector, Drain, ServeOptions};
use policy_proto::Request;
use policy_testing::pipe::{mark_of, ms, request, s};
use tokio::{
    io::AsyncWriteExt,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{Server, echo, reply, rest, served, tcp, unix};

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
    let drain = Drain::default();
    let (mut client, served) = served(ServeOptions::default(), &drain, |request| async move {
        echo(request)
    });
    let wire = request("a");
    let (head, tail) = wire.as_bytes().split_at(20);
    client.write_all(head).await.unwrap();
    sleep(s(1)).await;
    drain.begin();
    sleep(s(1)).await;
    client.write_all(tail).await.unwrap();
    assert_eq!(rest(client).await, "action=a\n\n");
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn half_a_request_does_not_hold_the_end_up_and_one_that_is_worked_on_does() {
    let mut options = ServeOptions::default();
    options.clients.request = s(86_400);
    options.drain = s(86_400);
    let gate = Arc::new(Semaphore::new(0));
    let handler = {
        let gate = Arc::clone(&gate);
        move |request: Request| {
            let gate = Arc::clone(&gate);
            async move {
                let _ = gate.acquire().await?;
                echo(request)
            }
        }
    };
    let mut server = Server::start(&tcp(), options, handler).await;
    let mut half = server.connect().await;
    half.write_all(b"request=smtpd_acc").await.unwrap();
    let mut whole = server.connect().await;
    whole.write_all(request("a").as_bytes()).await.unwrap();
    server.handled(1).await;
    server.stop();
    let closed = timeout(s(60), rest(half)).await;
    assert_eq!(closed.unwrap(), "");
    assert!(!server.task.is_finished());
    gate.add_permits(1);
    assert_eq!(rest(whole).await, "action=a\n\n");
    server.task.await.unwrap();
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
