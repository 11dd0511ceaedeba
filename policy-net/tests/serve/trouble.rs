//! A handler or a client in trouble costs its own connection only.

use policy_net::{ClientError, ConnectionError, Drain, ServeOptions};
use policy_proto::{Limits, Request};
use policy_testing::pipe::{mark_of, request};
use tokio::io::AsyncWriteExt;

use crate::{both, echo, reply, rest, served};

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
    let cases: [(&[u8], &str); 4] = [
        (b"EHLO\n", "no '=' in the line at byte 0"),
        (b"a=b\nc=d", "end of the stream within a message"),
        (b"a=bcdefghi\n\n", "line longer than 8 bytes"),
        (
            b"a=b\na=b\na=b\na=b\na=b\n\n",
            "message longer than 16 bytes",
        ),
    ];
    for (bytes, wanted) in cases {
        let mut options = ServeOptions::default();
        options.clients.limits = Limits::default().with_line(8).with_message(16);
        let drain = Drain::default();
        let (mut client, served) = served(options, &drain, |request| async move { echo(request) });
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        match served.await.unwrap() {
            Err(ConnectionError::Client(ClientError::Decode(error))) => {
                assert_eq!(error.to_string(), wanted);
            }
            other => panic!("{other:?}"),
        }
    }
}
