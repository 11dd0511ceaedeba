//! The time that a request waits for memory.

use policy_net::{ClientError, ClientOptions, Connection, ConnectionError};
use policy_testing::pipe::s;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep, timeout},
};

use crate::{
    SMALL, for_usual,
    world::{World, marks, quiet, wire},
};

/// A client has a second for a request, which waits for memory for 90.
fn options() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.request = s(1);
    options.memory_wait = s(90);
    options
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_waited_for_as_long_as_it_may_ends_its_connection() {
    // A usual one, and a large one.
    for (bytes, held, length) in [(for_usual(1), 200, 200), (SMALL, 20_000, 7_000)] {
        let world = World::with_options(bytes, options());
        let _holder = world.sends(&wire("holder", held)).await;
        assert_eq!(world.asked().await, ["holder"]);

        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(&wire("waits", length)).await.unwrap();
        let mut connection = Connection::new(server, &world.clients);
        let begin = Instant::now();
        let ended = connection.request(std::future::pending());
        let ended = timeout(s(3600), ended).await.expect("it ends");
        assert!(
            matches!(ended, Err(ConnectionError::Client(ClientError::NoMemory))),
            "{length}: {ended:?}"
        );
        assert_eq!(begin.elapsed(), s(90), "{length}");
        drop(connection);
        assert_eq!(world.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_do_not_end_are_all_gone_when_each_could_have_waited_and_been_read() {
    let world = World::with_options(SMALL, options());
    let mut clients = Vec::new();
    for mark in marks("large", 1000) {
        clients.push(world.sends(&wire(&mark, 7_000)[..6_990]).await);
    }
    quiet().await;
    assert_eq!(world.waiting(), 999);
    // For memory of a usual request, for the rest of it, and for that of a large one.
    sleep(s(90 + 1 + 90)).await;
    assert!(clients.iter().all(|client| client.served.is_finished()));
    assert_eq!(world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_within_a_request_does_not_count_as_its_client_s_time() {
    let world = World::with_options(SMALL, options());
    let _holder = world.sends(&wire("holder", 20_000)).await;
    assert_eq!(world.asked().await, ["holder"]);
    let wire = wire("waits", 20_000);
    let mut waits = world.sends(&wire[..3_000]).await;
    // It is waited for the rest, and then for memory.
    quiet().await;
    waits.send(&wire[3_000..15_000]).await;
    quiet().await;
    assert_eq!(world.waiting(), 1);
    sleep(s(60)).await;
    world.answer("holder").await;
    assert_eq!(world.waiting(), 0);
    waits.send(&wire[15_000..]).await;
    assert_eq!(world.asked().await, ["waits"]);
    world.answer("waits").await;
    waits.reads("waits").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_seen_to_leave_waits_no_more() {
    for (bytes, held, length) in [(for_usual(1), 200, 200), (SMALL, 20_000, 7_000)] {
        let world = World::with_options(bytes, options());
        let _holder = world.sends(&wire("holder", held)).await;
        quiet().await;
        let leaves = world.sends(&wire("leaves", length)).await;
        quiet().await;
        assert_eq!(world.waiting(), 1, "{length}");
        drop(leaves.pipe);
        sleep(s(1)).await;
        assert_eq!(world.waiting(), 0, "{length}");
        leaves.served.await.unwrap();
    }
}
