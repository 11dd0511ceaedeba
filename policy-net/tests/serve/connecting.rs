//! Listeners and connectors, on every kind of endpoint.

use std::{io, sync::Arc};

use policy_net::{Client, Connector, Endpoint, Listener, ServeOptions};
use tokio::task::yield_now;

use crate::{
    Server, echo,
    support::{ms, request, s},
    tcp, unix,
};

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
    let said = format!("connecting to {} timed out", connector.endpoint());
    assert_eq!(error.to_string(), said);
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
