//! Connections that are sent to a server instead of accepted by it.

use std::future::ready;

use policy_net::{Listener, ServeOptions, accept};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// So that nobody believes of a connection that it is served which comes just too late.
#[tokio::test]
async fn what_was_passed_is_served_at_the_end_and_nothing_can_be_passed_then() {
    let (sender, listener) = Listener::queue();
    let (connection, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let pass = || sender.send(connection.try_clone().unwrap().into());
    pass().unwrap();
    pass().unwrap();
    let mut late = Vec::new();
    let connection = |_, _, _| {
        // Else each would bring the next.
        if late.len() < 4 {
            late.push(pass().is_err());
        }
        ready(())
    };
    accept(listener, &ServeOptions::default(), connection, ready(())).await;
    assert_eq!(late, [true, true]);
    assert_eq!(sender.waiting(), 0);
}

#[tokio::test]
async fn what_was_passed_and_is_no_connection_is_closed_and_waits_no_more() {
    let (sender, listener) = Listener::queue();
    let file = std::fs::File::open("/dev/null").unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    sender.send(file.into()).unwrap();
    sender.send(near.into_std().unwrap().into()).unwrap();
    assert_eq!(sender.waiting(), 2);
    listener
        .accept()
        .await
        .unwrap()
        .0
        .write_all(b"x")
        .await
        .unwrap();
    assert_eq!((sender.waiting(), far.read_u8().await.unwrap()), (0, b'x'));
}
