//! The service that is asked.

use policy_net::{Upstream, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, backend, errors, ms, request, s, upstream};
use tokio::time::advance;

use crate::{ask_ok, id};

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_gets_one_trial_per_backoff() {
    let (dead, live) = (Server::new(Manner::Refuses), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&dead, &live]);

    // 1, 2, 4 ... 60 s, each stretched by less than a quarter.
    let mut trials = 0;
    for mark in 0..600 {
        ask_ok(&upstream, mark).await;
        advance(s(1)).await;
        trials = dead.connects();
    }
    assert!((12..=16).contains(&trials), "{trials} in ten minutes");

    dead.becomes(Manner::Answers);
    let mut waited = 0;
    while ask_ok(&upstream, waited).await != 0 {
        advance(s(1)).await;
        waited += 1;
    }
    assert!(waited <= 75, "back after {waited} s");
    assert_eq!(
        ask_ok(&upstream, 1).await,
        0,
        "and not for one request only"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hung_for_long_rests_for_long() {
    let (hung, live) = (Server::new(Manner::Hangs), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&hung, &live]);

    ask_ok(&upstream, 1).await;
    advance(ms(9_900)).await;
    ask_ok(&upstream, 2).await;
    assert_eq!(hung.marks(), ["1"]);
    advance(ms(2_600)).await;
    ask_ok(&upstream, 3).await;
    assert_eq!(hung.marks(), ["1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn services_that_are_down_are_asked_when_nobody_else_is_left() {
    let servers = [Server::new(Manner::Refuses), Server::new(Manner::Refuses)];
    let upstream = upstream(
        UpstreamOptions::default(),
        s(10),
        &[&servers[0], &servers[1]],
    );

    assert_eq!(errors(&ask(&upstream, 1).await.unwrap_err()).len(), 2);
    servers[1].becomes(Manner::Answers);
    assert_eq!(ask_ok(&upstream, 2).await, 1, "no backoff is waited out");
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_where_it_sticks_unless_that_is_down() {
    let servers = [Server::new(Manner::Answers), Server::new(Manner::Answers)];
    let options = UpstreamOptions::default();
    let upstream = upstream(options, s(10), &[&servers[0], &servers[1]]);
    let second = id(1);

    // The first one is away when the message begins.
    servers[0].becomes(Manner::Refuses);
    let mut stick = None;
    for mark in 0..10 {
        let answer = upstream
            .ask_with(&request(mark), stick, |_| {})
            .await
            .unwrap();
        assert_eq!(answer.backend, second);
        stick = Some(answer.stick);
        servers[0].becomes(Manner::Answers);
        advance(s(60)).await;
    }
    assert_eq!(ask_ok(&upstream, "another message").await, 0);
    servers[1].hangs_up().await;
    servers[1].becomes(Manner::Refuses);
    let answer = upstream
        .ask_with(&request(10), stick, |_| {})
        .await
        .unwrap();
    assert_eq!(answer.backend, id(0));
}

#[tokio::test(start_paused = true)]
async fn equal_services_share_by_weight() {
    let servers = [(); 2].map(|()| Server::new(Manner::Answers));
    let backends = servers.iter().zip([3, 1]);
    let backends = backends.map(|(server, weight)| backend(server, &server.name()).weight(weight));
    let upstream = Upstream::new(UpstreamOptions::default(), backends).unwrap();
    for mark in 0..400 {
        ask_ok(&upstream, mark).await;
    }
    assert_eq!(servers.map(|server| server.marks().len()), [300, 100]);
}
