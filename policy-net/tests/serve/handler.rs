//! A handler's view: what it is told, how long it may take, and what it may keep.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use policy_net::{
    BoxError, Clients, ConnectionError, Connector, Drain, Endpoint, Handler, Listener, Peer,
    Request, Response, ServeOptions, serve_connection, serve_each, serve_with,
};
use policy_testing::pipe::{request, s, timed};
use tokio::{
    io::{AsyncWriteExt, duplex},
    time::sleep,
};

use crate::{echo, reply, rest, served, tcp, unix};

/// Says who asks.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Peer>>>);

impl Handler for Told {
    async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
        self.0.lock().unwrap().push(peer.clone());
        echo(request)
    }
}

#[tokio::test]
async fn a_handler_is_told_the_peer_the_listener_and_the_number_of_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let listener = Listener::bind(&endpoint).await.unwrap();
        let endpoint = listener.endpoint().unwrap();
        let told = Told::default();
        let asked = async {
            let connector = Connector::new(endpoint.clone());
            let mut ports = Vec::new();
            for mark in ["a", "b"] {
                let mut client = connector.connect(s(10)).await.unwrap();
                if let policy_net::Stream::Tcp(stream) = &client {
                    ports.push(stream.local_addr().unwrap());
                }
                for _ in 0..2 {
                    client.write_all(request(mark).as_bytes()).await.unwrap();
                    reply(&mut client).await;
                }
            }
            ports
        };
        let mut ports = Vec::new();
        let shutdown = async { ports = asked.await };
        serve_with(listener, told.clone(), &ServeOptions::default(), shutdown).await;

        let peers = told.0.lock().unwrap().clone();
        let numbers: Vec<_> = peers.iter().map(Peer::connection).collect();
        assert_eq!(numbers.len(), 4);
        assert!(numbers[0] > 0 && numbers[0] == numbers[1] && numbers[2] == numbers[3]);
        assert!(numbers[1] < numbers[2]);
        for (peer, index) in peers.iter().zip([0, 0, 1, 1]) {
            assert_eq!(peer.listener(), Some(&endpoint));
            assert_eq!(peer.address(), ports.get(index).copied());
            let user = peer.credentials().map(|credentials| credentials.uid);
            let is_unix = matches!(endpoint, Endpoint::Unix(_));
            let own = is_unix.then(|| rustix::process::geteuid().as_raw());
            assert_eq!(user, own.filter(|_| cfg!(target_os = "linux")));
        }
    }
}

/// Counts the requests of one connection, and the connections that are left.
struct Count(AtomicUsize, Arc<AtomicUsize>);

impl Handler for Count {
    async fn handle(&self, _: Request, _: &Peer) -> Result<Response, BoxError> {
        let number = self.0.fetch_add(1, SeqCst) + 1;
        Ok(Response::new(number.to_string())?)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

#[tokio::test]
async fn a_connection_has_a_handler_of_its_own_until_it_ends() {
    let listener = Listener::bind(&tcp()).await.unwrap();
    let connector = Connector::new(listener.endpoint().unwrap());
    let handlers = Arc::new(AtomicUsize::new(0));
    let new = |_: &Peer| {
        handlers.fetch_add(1, SeqCst);
        Count(AtomicUsize::new(0), Arc::clone(&handlers))
    };
    let shutdown = async {
        for _ in 0..2 {
            let mut client = connector.connect(s(10)).await.unwrap();
            for wanted in ["action=1\n\n", "action=2\n\n"] {
                client.write_all(request("a").as_bytes()).await.unwrap();
                assert_eq!(reply(&mut client).await, wanted);
            }
        }
    };
    serve_each(listener, new, &ServeOptions::default(), shutdown).await;
    assert_eq!(handlers.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_given_up_before_postfix_does() {
    let drain = Drain::default();
    let (mut client, served) = served(ServeOptions::default(), &drain, |_| pending());
    sleep(s(100)).await;
    client.write_all(request("a").as_bytes()).await.unwrap();
    let (ended, took) = timed(served).await;
    assert!(matches!(
        ended.unwrap(),
        Err(ConnectionError::Deadline(deadline)) if deadline == s(95)
    ));
    assert_eq!(took, s(95));
    assert_eq!(rest(client).await, "");
}

#[tokio::test(start_paused = true)]
async fn each_request_has_the_whole_deadline() {
    let drain = Drain::default();
    let mut options = ServeOptions::default();
    options.deadline = s(10);
    let (mut client, served) = served(options, &drain, |request| async move {
        sleep(s(9)).await;
        echo(request)
    });
    for _ in 0..3 {
        client.write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut client).await, "action=a\n\n");
    }
    drop(client);
    served.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deadline_may_be_endless() {
    let drain = Drain::default();
    let mut options = ServeOptions::default();
    options.deadline = Duration::MAX;
    let (mut client, _served) = served(options, &drain, |request| async move {
        sleep(s(100_000)).await;
        echo(request)
    });
    client.write_all(request("a").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut client).await, "action=a\n\n");
}

/// A future of a user's must not be polled after its end.
#[tokio::test]
async fn a_drain_that_has_ended_is_not_asked_again() {
    let (mut client, server) = duplex(4096);
    client.write_all(request("a").as_bytes()).await.unwrap();
    client.write_all(request("b").as_bytes()).await.unwrap();
    let handler = async |request: Request| echo(request);
    let (clients, peer) = (Clients::default(), Peer::default());
    serve_connection(server, &handler, clients, &peer, async {})
        .await
        .unwrap();
    assert_eq!(rest(client).await, "action=a\n\naction=b\n\n");
}
