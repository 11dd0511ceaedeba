//! Which connection is used next, and what replaces one that has died.

use policy_ha::Preference;
use policy_net::{AttemptError, Pool, PoolOptions, UpstreamOptions};

use crate::{
    answered, opened,
    support::{Manner, Server, ask, errors, request, s, upstream},
};

#[tokio::test(start_paused = true)]
async fn the_connection_used_last_is_used_next() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), PoolOptions::default());

    let (mut first, mut second) = (opened(&pool).await, opened(&pool).await);
    answered(&mut first, "a").await;
    answered(&mut second, "b").await;
    second.give_back();
    first.give_back();
    for mark in ["c", "d"] {
        let mut lease = pool.lease(s(1)).await.unwrap();
        answered(&mut lease, mark).await;
        lease.give_back();
    }
    let mut leases = [
        pool.lease(s(1)).await.unwrap(),
        pool.lease(s(1)).await.unwrap(),
    ];
    answered(&mut leases[0], "e").await;
    answered(&mut leases[1], "f").await;

    let seen: Vec<_> = server.seen();
    let seen: Vec<_> = seen.iter().map(|(n, mark)| (*n, &mark[..])).collect();
    assert_eq!(
        seen,
        [(1, "a"), (2, "b"), (1, "c"), (1, "d"), (1, "e"), (2, "f")]
    );
}

#[tokio::test(start_paused = true)]
async fn requests_one_after_the_other_share_one_connection() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    for mark in 0..100 {
        ask(&upstream, mark).await.unwrap();
    }
    assert_eq!((server.connects(), server.open()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_closed_while_idle_is_found_before_use() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), PoolOptions::default());
    let mut lease = opened(&pool).await;
    answered(&mut lease, "a").await;
    lease.give_back();

    server.hangs_up().await;
    assert!(!pool.lease(s(1)).await.unwrap().is_reused());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_before_an_answer_byte_is_replaced_without_blame() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap();

    // It takes the second request and closes; a new connection to it works.
    server.becomes(Manner::ClosesUnanswered);
    let mut told = Vec::new();
    let on_event = |event: policy_net::Event| {
        if matches!(event, policy_net::Event::Opening(_)) {
            server.becomes(Manner::Answers);
        }
        told.push(
            format!("{event:?}")
                .split(['(', ' '])
                .next()
                .unwrap()
                .to_owned(),
        );
    };
    let answer = upstream.ask(&request(2), None, on_event).await;
    assert_eq!(answer.unwrap().response.as_str(), Some("2"));
    assert_eq!(told, ["Opening", "Connected", "Answered"]);
    assert_eq!(
        server.seen(),
        [(1, "1".into()), (1, "2".into()), (2, "2".into())]
    );
}

#[tokio::test(start_paused = true)]
async fn its_replacement_is_not_replaced_again() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap();

    server.becomes(Manner::ClosesUnanswered);
    let exhausted = ask(&upstream, 2).await.unwrap_err();
    assert!(
        matches!(errors(&exhausted)[..], [AttemptError::Closed]),
        "{exhausted:?}"
    );
    assert_eq!(server.connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_dies_within_an_answer_is_not_replaced() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap();

    server.becomes(Manner::SaysAndCloses(b"a"));
    ask(&upstream, 2).await.unwrap_err();
    assert_eq!(server.connects(), 1, "the server may have acted on it");
}

#[tokio::test(start_paused = true)]
async fn without_keeping_each_answer_closes_its_connection() {
    let server = Server::new(Manner::Answers);
    let mut options = UpstreamOptions::default();
    options.pool.keep = None;
    let upstream = upstream(options, s(10), &[&server]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
        server.until_open(0).await;
    }
    assert_eq!(server.connects(), 3);
}
