//! Connections that are passed to a server instead of accepted by it.

use std::future::ready;

use policy_net::{Listener, ServeOptions, accept};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

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
