//! Listeners and connectors, on every kind of endpoint.

use std::{
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::Arc,
};

use policy_net::{BindOptions, Client, Connector, Endpoint, Listener, ServeOptions, UnixListener};
use policy_testing::pipe::{ms, request, s};
use tokio::task::yield_now;

use crate::{Server, echo, tcp, unix};

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
    let Endpoint::Unix(path) = &endpoint else {
        panic!("{endpoint}");
    };
    let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = Listener::from(UnixListener::from_std(socket).unwrap());
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
async fn a_socket_on_which_somebody_listens_and_what_is_no_socket_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = unix(dir.path());
    let first = Listener::bind(&endpoint).await.unwrap();
    let error = Listener::bind(&endpoint).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    Connector::new(endpoint).connect(s(10)).await.unwrap();
    first.accept().await.unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let error = Listener::bind(&Endpoint::Unix(file.clone()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_has_the_mode_and_owner_that_are_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = unix(dir.path());
    let Endpoint::Unix(path) = &endpoint else {
        panic!("{endpoint}");
    };
    for mode in [0o666, 0o600] {
        let mut options = BindOptions::default();
        options.mode = Some(mode);
        // Its own, which needs no rights.
        options.owner = Some(rustix::process::geteuid().as_raw());
        options.group = Some(rustix::process::getegid().as_raw());
        let listener = Listener::bind_with(&endpoint, &options).await.unwrap();
        let file = std::fs::symlink_metadata(path).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode);
        assert_eq!(Some(file.uid()), options.owner);
        Connector::new(endpoint.clone())
            .connect(s(10))
            .await
            .unwrap();
        listener.accept().await.unwrap();
    }
}

#[tokio::test]
async fn an_owner_that_cannot_be_given_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    // No file system takes this one, whatever the user.
    let mut options = BindOptions::default();
    options.owner = Some(u32::MAX - 1);
    let endpoint = Endpoint::Unix(dir.path().join("policy.sock"));
    let is_root = rustix::process::geteuid().is_root();
    let bound = Listener::bind_with(&endpoint, &options).await;
    assert_eq!(bound.is_ok(), is_root);
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, usize::from(is_root));
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
