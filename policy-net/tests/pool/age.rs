//! Connections that nobody has needed for some time are closed.

use policy_net::UpstreamOptions;
use policy_testing::pipe::{Manner, Server, ask, ms, s, timed, upstream};
use tokio::time::{advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_used_for_a_minute_is_closed() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);

    ask(&upstream, 1).await.unwrap();
    sleep(s(59)).await;
    assert_eq!(server.open(), 1);
    ask(&upstream, 2).await.unwrap();
    let ((), took) = timed(server.until_open(0)).await;
    assert_eq!(took, s(60));
    assert_eq!(server.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_connections_beyond_the_need_grow_old() {
    let server = Server::new(Manner::AnswersAfter(ms(1)));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    let (first, second) = tokio::join!(ask(&upstream, 1), ask(&upstream, 2));
    assert!(first.is_ok() && second.is_ok());
    for _ in 0..12 {
        advance(s(10)).await;
        ask(&upstream, 3).await.unwrap();
    }
    server.until_open(1).await;
    assert_eq!(server.connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_for_longer_than_its_greatest_age() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    for mark in 0..=30 {
        assert_eq!(server.connects(), 1.min(mark));
        ask(&upstream, mark).await.unwrap();
        advance(s(10)).await;
    }
    ask(&upstream, 31).await.unwrap();
    assert_eq!(server.connects(), 2);
}
