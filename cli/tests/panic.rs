//! A panic must not reach standard error, which may be the protocol's socket, nor any other connection.

use std::time::Duration;

use policy_daemon::log::Log;
use policy_net::{Client, Connector, Listener, serve};
use policy_proto::{Request, Response};
use tokio_util::sync::CancellationToken;

/// The panic hook belongs to the whole process, so this test has a process of its own.
#[tokio::test]
async fn a_panic_costs_its_connection_and_one_log_line() {
    let log = Log::buffered();
    log.report_panics();
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let connector = Connector::new(listener.endpoint().unwrap());
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let server = tokio::spawn(async move {
        let handler = async |request: Request| {
            assert_ne!(request.sender(), Some(&b"poison"[..]), "a bug");
            Ok(Response::dunno())
        };
        serve(listener, handler, stopped).await;
    });
    let client = async || Client::new(connector.connect(Duration::from_secs(3)).await.unwrap());
    let from = |sender| Request::from_attributes([("sender", sender)]).unwrap();

    let (mut one, mut other) = (client().await, client().await);
    assert!(other.ask(&from("alice")).await.is_ok());
    assert!(
        one.ask(&from("poison")).await.is_err(),
        "no answer, as the protocol wants it"
    );
    assert!(
        other.ask(&from("alice")).await.is_ok(),
        "the other connection goes on"
    );
    assert!(
        client().await.ask(&from("alice")).await.is_ok(),
        "and so does accepting"
    );
    stop.cancel();
    server.await.unwrap();

    let lines = String::from_utf8(log.take_buffered()).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(
        lines.starts_with("[LOG error]: internal error, this is a bug at "),
        "{lines}"
    );
    assert!(
        lines.contains("a bug?"),
        "the line feeds of the message are escaped: {lines}"
    );
}
