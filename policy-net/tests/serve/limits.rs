//! Connections beyond the limit wait for a place.

use policy_net::ServeOptions;
use policy_testing::pipe::{mark_of, request};
use tokio::io::AsyncWriteExt;

use crate::{Server, echo, reply, rest, tcp};

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
