//! Clients that go away, and those that only look as if they did.

use std::sync::Arc;

use policy_net::{ServeOptions, Stream};
use policy_testing::pipe::{mark_of, request};
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, mpsc},
};

use crate::{Server, echo, reply, rest, tcp, unix};

#[tokio::test]
async fn the_work_for_a_client_that_has_gone_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let (dropped, mut given_up) = mpsc::unbounded_channel();
        let server = Server::start(&endpoint, ServeOptions::default(), move |_| {
            let guard = OnDrop(dropped.clone());
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                Err("never".into())
            }
        })
        .await;
        let mut client = server.connect().await;
        client.write_all(request("a").as_bytes()).await.unwrap();
        server.handled(1).await;
        gone(client);
        given_up.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_still_waits() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [tcp(), unix(dir.path())] {
        let gate = Arc::new(Semaphore::new(0));
        let server = Server::start(&endpoint, ServeOptions::default(), {
            let gate = Arc::clone(&gate);
            move |request| {
                let gate = Arc::clone(&gate);
                async move {
                    if mark_of(&request) == "slow" {
                        let _ = gate.acquire().await?;
                    }
                    echo(request)
                }
            }
        })
        .await;
        let (mut client, mut other) = (server.connect().await, server.connect().await);
        client.write_all(request("slow").as_bytes()).await.unwrap();
        server.handled(1).await;
        client.shutdown().await.unwrap();
        // Enough turns for the server to have seen the end.
        for _ in 0..100 {
            other.write_all(request("a").as_bytes()).await.unwrap();
            assert_eq!(reply(&mut other).await, "action=a\n\n");
        }
        gate.add_permits(1);
        assert_eq!(rest(client).await, "action=slow\n\n");
    }
}

#[tokio::test]
async fn a_tcp_client_that_has_closed_looks_like_one_that_waits() {
    let (end, mut ended) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(&tcp(), ServeOptions::default(), {
        let gate = Arc::clone(&gate);
        move |request| {
            let (gate, end) = (Arc::clone(&gate), end.clone());
            async move {
                if mark_of(&request) == "slow" {
                    let _ = gate.acquire().await?;
                    end.send("worked to the end")?;
                }
                echo(request)
            }
        }
    })
    .await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    client.write_all(request("slow").as_bytes()).await.unwrap();
    server.handled(1).await;
    drop(client);
    for _ in 0..100 {
        other.write_all(request("a").as_bytes()).await.unwrap();
        assert_eq!(reply(&mut other).await, "action=a\n\n");
    }
    gate.add_permits(1);
    assert_eq!(ended.recv().await, Some("worked to the end"));
}

/// Leaves as abruptly as this kind of socket can.
fn gone(client: Stream) {
    if let Stream::Tcp(tcp) = &client {
        tcp.set_zero_linger().unwrap();
    }
    drop(client);
}

struct OnDrop(mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
