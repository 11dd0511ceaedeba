//! Each request is answered, in order, however it comes.

use policy_net::{Client, Connector, Listener, Request, serve};
use policy_testing::pipe::{request, s};
use tokio::{io::AsyncWriteExt, sync::oneshot};

use crate::{both, echo, reply, rest, tcp};

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
        serve(
            listener,
            |request: Request| async move { echo(request) },
            shutdown,
        )
        .await;
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
