//! Answers that wait for memory.

use policy_net::{AttemptError, Client, MemoryBudget, Pool, PoolOptions};
use policy_proto::{DecodeError, Limits};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use crate::{
    SMALL,
    support::{Manner, Server, request, s},
    world::quiet,
};

/// A client, and the server's side.
fn client(budget: &MemoryBudget) -> (Client<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (Client::new(near).with_memory(budget.clone()), far)
}

fn answer(length: usize) -> String {
    format!("action={}\n\n", "x".repeat(length))
}

/// Attributes before an action are skipped, and make an answer as large as it may be.
fn large(length: usize) -> String {
    let attribute = format!("note={}\n", "x".repeat(1000));
    attribute.repeat(length / attribute.len()) + "action=large\n\n"
}

#[tokio::test(start_paused = true)]
async fn a_usual_answer_takes_nothing() {
    let budget = MemoryBudget::new(SMALL);
    for length in [1, 20, 1000] {
        let (mut client, mut far) = client(&budget);
        far.write_all(answer(length).as_bytes()).await.unwrap();
        let answer = client.ask(&request("a")).await.unwrap();
        assert_eq!(answer.as_bytes().len(), length);
        assert_eq!(budget.in_use(), 0);
        assert!(client.settle().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_takes_its_length_until_it_is_dropped_and_its_connection_nothing() {
    let budget = MemoryBudget::new(SMALL);
    let (mut client, mut far) = client(&budget);
    for length in [2000, 16_000, 5] {
        far.write_all(answer(length).as_bytes()).await.unwrap();
        let answer = client.ask(&request("a")).await.unwrap();
        assert_eq!(answer.as_bytes(), "x".repeat(length).as_bytes());
        assert!(client.settle().await, "{length}");
        let holds = if length > 1024 {
            length.div_ceil(1024)
        } else {
            0
        };
        assert_eq!(budget.in_use(), holds * 1024);
        drop(answer);
        assert_eq!(budget.in_use(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_default_limits_is_counted_as_well() {
    let budget = MemoryBudget::new(SMALL);
    let (near, mut far) = duplex(1 << 20);
    let limits = Limits::default().with_line(64 << 10);
    let mut client = Client::with_limits(near, limits).with_memory(budget.clone());
    for _ in 0..2 {
        far.write_all(answer(30_000).as_bytes()).await.unwrap();
        let answer = client.ask(&request("a")).await.unwrap();
        assert_eq!(answer.as_bytes(), "x".repeat(30_000).as_bytes());
        assert!(client.settle().await);
        assert_eq!(budget.in_use(), 30 << 10);
        drop(answer);
        assert_eq!(budget.in_use(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn large_answers_beyond_the_budget_wait_and_hold_up_no_usual_one() {
    let budget = MemoryBudget::new(SMALL);
    let large = large(100_000);
    let (most, rest) = large.split_at(large.len() - 5);
    let mut servers = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..5 {
        let (mut client, mut far) = client(&budget);
        far.write_all(most.as_bytes()).await.unwrap();
        servers.push(far);
        answers.push(tokio::spawn(async move { client.ask(&request("a")).await }));
        quiet().await;
    }
    assert_eq!((budget.in_use(), budget.waiting()), (256 << 10, 4));
    let (mut usual, mut far) = client(&budget);
    far.write_all(answer(500).as_bytes()).await.unwrap();
    usual.ask(&request("a")).await.unwrap();
    for far in &mut servers {
        far.write_all(rest.as_bytes()).await.unwrap();
    }
    for answer in answers {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.as_str(), Some("large"));
    }
    assert_eq!((budget.in_use(), budget.waited()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_given_up_while_it_waits_is_forgotten() {
    let budget = MemoryBudget::new(SMALL);
    let (mut first, mut far) = client(&budget);
    far.write_all(&large(100_000).as_bytes()[..90_000])
        .await
        .unwrap();
    assert!(timeout(s(1), first.ask(&request("a"))).await.is_err());
    let (mut second, mut other) = client(&budget);
    other.write_all(large(100_000).as_bytes()).await.unwrap();
    assert!(timeout(s(1), second.ask(&request("a"))).await.is_err());
    assert_eq!(budget.waiting(), 1);
    drop(second);
    assert_eq!(budget.waiting(), 0);
    drop(first);
    assert_eq!(budget.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_its_limit_gives_its_memory_back_with_its_connection() {
    let budget = MemoryBudget::new(SMALL);
    let (mut client, mut far) = client(&budget);
    far.write_all(large(140_000).as_bytes()).await.unwrap();
    let error = client.ask(&request("a")).await.unwrap_err();
    let limit = Limits::default().message;
    assert!(matches!(
        error,
        AttemptError::Invalid { error: DecodeError::MessageTooLong { limit: named }, .. } if named == limit
    ));
    drop(client);
    assert_eq!(budget.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_pool_take_from_its_budget() {
    let words: &'static str = large(50_000).leak();
    let server = Server::new(Manner::Says(words.as_bytes()));
    let mut options = PoolOptions::default();
    let budget = MemoryBudget::new(SMALL);
    options.memory = Some(budget.clone());
    let pool = Pool::new(server, options);
    let mut lease = pool.lease(s(1)).await.unwrap();
    lease.open(s(3)).await.unwrap();
    let mut most = 0;
    let request = request("a");
    let asking = async {
        let answer = lease.ask(&request).await.unwrap();
        assert_eq!(answer.as_str(), Some("large"));
        lease.give_back();
    };
    let mut asking = std::pin::pin!(asking);
    std::future::poll_fn(|cx| {
        let asked = asking.as_mut().poll(cx);
        most = most.max(budget.in_use());
        asked
    })
    .await;
    assert_eq!(most, 256 << 10);
    assert_eq!(pool.in_use(), 0);
    assert_eq!(budget.in_use(), 0, "an idle connection holds nothing");
}
