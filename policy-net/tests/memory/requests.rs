//! Requests that wait for memory.

use std::time::Duration;

use policy_net::ClientOptions;
use policy_testing::pipe::s;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use crate::{
    SMALL, USUAL, for_usual,
    world::{World, marks, quiet, runtime, wire},
};

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_budget_wait_and_go_on_in_the_order_in_which_they_began() {
    let world = World::new(for_usual(3));
    let marks = marks("r", 20);
    let mut clients = Vec::new();
    for mark in &marks {
        clients.push(world.sends(&wire(mark, 200)).await);
        quiet().await;
    }
    for done in 0..marks.len() {
        let under_way = &marks[done..(done + 3).min(marks.len())];
        assert_eq!(world.asked().await, under_way);
        assert_eq!(world.clients.memory(), under_way.len() * USUAL);
        assert_eq!(world.waiting(), marks.len() - done - under_way.len());
        world.answer(&marks[done]).await;
        clients[done].reads(&marks[done]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_is_not_read_but_for_its_first_byte() {
    let world = World::new(for_usual(1));
    let _first = world.sends(&wire("first", 200)).await;
    quiet().await;
    let mut second = world.connect();
    // The pipe holds a mebibyte: what is read beyond makes room for more.
    let sent = second.pipe.write_all(&[b'x'; (1 << 20) + 2]);
    let sent = timeout(s(3600), sent).await;
    assert!(sent.is_err(), "more than one byte was read");
    assert_eq!(world.waiting(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_clients_do_not_wait_and_their_end_is_seen() {
    let world = World::new(for_usual(1));
    let mut first = world.sends(&wire("first", 200)).await;
    quiet().await;
    let idle: Vec<_> = (0..100).map(|_| world.connect()).collect();
    quiet().await;
    assert_eq!(world.waiting(), 0);
    for client in idle {
        drop(client.pipe);
        client.served.await.unwrap();
    }
    world.answer("first").await;
    first.reads("first").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_it_waits_is_forgotten() {
    let world = World::new(for_usual(1));
    let marks = marks("r", 5);
    let mut clients = Vec::new();
    for mark in &marks {
        clients.push(world.sends(&wire(mark, 200)).await);
        quiet().await;
    }
    // One whose connection is dropped, and one that is found to have left when its turn comes.
    clients[1].served.abort();
    quiet().await;
    assert_eq!(world.waiting(), 3);
    drop(clients.remove(2).pipe);
    world.answer("r0").await;
    assert_eq!(world.asked().await, ["r3"]);
    assert_eq!(world.waiting(), 1);
    world.answer_all(&marks[3..]).await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_client_does_not_run_while_it_waits_for_memory() {
    let mut options = ClientOptions::default();
    options.idle = s(1);
    options.request = s(1);
    options.memory_wait = Duration::MAX;
    let world = World::with_options(SMALL, options);
    let usual = marks("usual", 64);
    let mut clients = Vec::new();
    for mark in &usual {
        clients.push(world.sends(&wire(mark, 200)).await);
    }
    let mut waits = world.sends(&wire("waits", 200)).await;
    quiet().await;
    assert_eq!(world.waiting(), 1);
    sleep(s(3600)).await;
    world.answer("usual0").await;
    assert_eq!(world.asked().await.last().unwrap(), "waits");
    world.answer("waits").await;
    waits.reads("waits").await;

    let _large = world.sends(&wire("large", 20_000)).await;
    assert_eq!(world.asked().await.last().unwrap(), "large");
    world.answer("usual1").await;
    let mut waits = world.sends(&wire("large too", 90_000)).await;
    quiet().await;
    assert_eq!(world.waiting(), 1);
    sleep(s(3600)).await;
    world.answer("large").await;
    assert_eq!(world.asked().await.last().unwrap(), "large too");
    world.answer("large too").await;
    waits.reads("large too").await;
}

#[tokio::test(start_paused = true)]
async fn large_requests_that_wait_hold_up_no_usual_one_and_go_on_one_by_one() {
    let world = World::new(SMALL);
    let large = marks("large", 20);
    let mut clients = Vec::new();
    for mark in &large {
        let wire = wire(mark, 100_000);
        clients.push((world.sends(&wire[..90_000]).await, wire));
        quiet().await;
    }
    assert_eq!(world.waiting(), 19);
    let usual = marks("usual", 44);
    let mut usual_clients = Vec::new();
    for mark in &usual {
        usual_clients.push(world.sends(&wire(mark, 4000)).await);
    }
    assert_eq!(world.asked().await, usual);
    world.answer_all(&usual).await;
    // Nobody can go on but the first, and that it can.
    for (client, wire) in &mut clients {
        client.send(&wire[90_000..]).await;
    }
    for (index, mark) in large.iter().enumerate() {
        assert_eq!(world.asked().await, large[index..=index]);
        world.answer(mark).await;
        clients[index].0.reads(mark).await;
    }
    assert_eq!(world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_one_behind_the_other_are_all_answered_whatever_their_sizes() {
    for bytes in [0, 6 * USUAL, SMALL] {
        let world = World::new(bytes);
        let mut clients = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let marks = marks(name, 12);
            let sizes = [
                100, 6000, 100, 90_000, 130_000, 5_119, 5_120, 5_121, 100, 40_000,
            ];
            let mut client = world.connect();
            for (mark, size) in marks.iter().zip(sizes.into_iter().cycle()) {
                client.send(&wire(mark, size)).await;
            }
            clients.push((client, marks));
        }
        let mut answered = 0;
        while let Some(mark) = world.asked().await.first() {
            world.answer(mark).await;
            answered += 1;
        }
        assert_eq!(answered, 48, "{bytes}");
        for (mut client, marks) in clients {
            for mark in marks {
                client.reads(&mark).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_its_limit_is_refused_and_gives_its_memory_to_the_next() {
    let world = World::with_largest(SMALL, 50_000);
    let mut too_large = world.sends(&wire("too large", 60_000)).await;
    let mut next = world.sends(&wire("next", 40_000)).await;
    assert_eq!(too_large.pipe.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(world.asked().await, ["next"]);
    world.answer("next").await;
    next.reads("next").await;
}

#[tokio::test(start_paused = true)]
async fn a_large_request_takes_what_it_can_need_until_it_is_answered() {
    let world = World::new(4 * SMALL);
    for (length, is_large) in [(5_000, false), (6_000, true), (100_000, true)] {
        let wire = wire("large", length);
        let (most, rest) = wire.split_at(wire.len() - 1);
        let mut client = world.sends(most).await;
        quiet().await;
        let taken = if is_large { (128 << 10) + 5 * 1024 } else { 0 };
        assert_eq!(world.clients.memory(), USUAL + taken, "{length}");
        client.send(rest).await;
        world.asked().await;
        world.answer("large").await;
        client.reads("large").await;
        quiet().await;
        assert_eq!(world.clients.memory(), 0, "{length}");
    }
}

#[test]
fn after_all_nothing_is_taken() {
    let clients = runtime().block_on(async {
        let world = World::new(SMALL);
        let mut clients = Vec::new();
        for (index, mark) in marks("r", 200).iter().enumerate() {
            let wire = wire(mark, [200, 20_000][index % 2]);
            let sent = [wire.len(), wire.len() / 2, 1][index % 3];
            clients.push(world.sends(&wire[..sent]).await);
        }
        quiet().await;
        assert!(world.waiting() > 100, "{}", world.waiting());
        // Some are answered, some leave, and the others are cut off with the runtime.
        for mark in world.asked().await {
            world.answer(&mark).await;
        }
        clients.truncate(100);
        quiet().await;
        world.clients
    });
    assert_eq!((clients.memory(), clients.short_of_memory()), (0, 0));
    assert!(clients.is_empty());
}
