//! Connections that nobody has needed for some time are closed.

use policy_net::{Lease, Pool, PoolOptions, UpstreamOptions};
use tokio::time::{advance, sleep};

use crate::{
    answered, opened,
    support::{Manner, Server, ask, s, timed, upstream},
};

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_used_for_a_minute_is_closed() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    let maintained = tokio::spawn({
        let upstream = upstream.clone();
        async move { upstream.maintain().await }
    });

    ask(&upstream, 1).await.unwrap();
    sleep(s(59)).await;
    assert_eq!(server.open(), 1);
    ask(&upstream, 2).await.unwrap();
    let ((), took) = timed(server.until_open(0)).await;
    assert_eq!(took, s(60));
    assert_eq!(server.connects(), 1);
    maintained.abort();
}

#[tokio::test(start_paused = true)]
async fn only_the_connections_beyond_the_need_grow_old() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), PoolOptions::default());
    let mut leases = [opened(&pool).await, opened(&pool).await];
    for lease in &mut leases {
        answered(lease, "a").await;
    }
    leases.into_iter().for_each(Lease::give_back);
    for _ in 0..12 {
        advance(s(10)).await;
        let mut lease = pool.lease(s(1)).await.unwrap();
        answered(&mut lease, "b").await;
        lease.give_back();
        pool.trim();
    }
    server.until_open(1).await;
    assert_eq!(server.connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_grown_too_old_is_not_used_even_if_nobody_trims() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), PoolOptions::default());
    let mut lease = opened(&pool).await;
    answered(&mut lease, "a").await;
    lease.give_back();
    advance(s(60)).await;
    assert!(!pool.lease(s(1)).await.unwrap().is_reused());
}
