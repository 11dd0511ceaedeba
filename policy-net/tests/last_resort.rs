//! Requests while everything is down: their cost, and their end.

use std::time::Duration;

use policy_net::{Upstream, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, errors, ms, s, timed, upstream};
use tokio::{task::JoinSet, time::advance};

#[tokio::test(start_paused = true)]
async fn hung_services_cost_a_request_its_bound_once_it_is_known_that_they_hang() {
    for (bound, asked, took) in [
        (None, 2, s(3)),
        (Some(s(0)), 0, s(0)),
        (Some(ms(500)), 2, ms(500)),
        // To the end: an equal share for each, or its own time if that is less.
        (Some(s(90)), 2, s(20)),
    ] {
        let hung = [(); 2].map(|()| Server::new(Manner::Hangs));
        let upstream = with(bound, &[&hung[0], &hung[1]]);
        assert_eq!(timed(failed(&upstream)).await, (2, s(20)), "not known yet");
        assert_eq!(timed(failed(&upstream)).await, (asked, took), "{bound:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_resort_that_needs_no_time_leaves_its_share_to_the_others() {
    let (refuses, hangs, slow) = (
        Server::new(Manner::Refuses),
        Server::new(Manner::Hangs),
        Server::new(Manner::Refuses),
    );
    let upstream = with(None, &[&refuses, &hangs, &slow]);
    failed(&upstream).await;
    slow.becomes(Manner::AnswersAfter(ms(1_400)));
    // The one that refuses nothing, the one that hangs half of 3 s, the slow one what it needs.
    let (answered, took) = timed(ask(&upstream, 1)).await;
    assert_eq!(answered.unwrap(), 2);
    assert!(took <= ms(2_900), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_up_again_is_found_by_the_first_request() {
    let servers = [(); 2].map(|()| Server::new(Manner::Refuses));
    let upstream = with(None, &[&servers[0], &servers[1]]);
    for _ in 0..10 {
        assert_eq!(
            timed(failed(&upstream)).await,
            (2, s(0)),
            "refusals cost nothing"
        );
    }
    servers[1].becomes(Manner::Answers);
    assert_eq!(timed(answered(&upstream)).await, (1, s(0)));
}

#[tokio::test(start_paused = true)]
async fn without_last_resorts_a_service_that_is_up_again_is_found_by_its_trial() {
    let server = Server::new(Manner::Refuses);
    let upstream = with(Some(s(0)), &[&server]);
    failed(&upstream).await;
    server.becomes(Manner::Answers);
    assert_eq!(timed(failed(&upstream)).await, (0, s(0)));
    advance(ms(1_250)).await;
    assert_eq!(answered(&upstream).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_due_has_its_full_time() {
    for bound in [s(0), s(3)] {
        let server = Server::new(Manner::Hangs);
        let upstream = with(Some(bound), &[&server]);
        failed(&upstream).await;
        server.becomes(Manner::AnswersAfter(s(8)));
        assert_eq!(timed(failed(&upstream)).await.1, bound);
        advance(ms(12_500)).await;
        assert_eq!(timed(answered(&upstream)).await, (0, s(8)));
    }
}

#[tokio::test(start_paused = true)]
async fn last_resorts_without_end_do_not_put_off_the_trial() {
    // It answers, but later than a last resort may take.
    let server = Server::new(Manner::Hangs);
    let upstream = with(None, &[&server]);
    failed(&upstream).await;
    server.becomes(Manner::AnswersAfter(s(8)));
    let mut requests = JoinSet::new();
    for mark in 0..30 {
        let upstream = upstream.clone();
        requests.spawn(async move { ask(&upstream, mark).await.is_ok() });
        tokio::time::sleep(s(1)).await;
    }
    let answered = requests.join_all().await.into_iter().filter(|ok| *ok);
    // The trial is due after 10 to 12.5 s, and its answer, 8 s later, brings the service back.
    assert!(answered.count() >= 10);
}

#[tokio::test(start_paused = true)]
async fn the_bound_is_for_last_resorts_alone() {
    let (down, up) = (Server::new(Manner::Hangs), Server::new(Manner::Answers));
    let upstream = with(None, &[&down, &up]);
    assert_eq!(answered(&upstream).await, 1);
    up.hangs_up().await;
    up.becomes(Manner::Hangs);
    // Ten seconds for the one that was up, and then the bound.
    assert_eq!(timed(failed(&upstream)).await, (2, s(13)));
}

#[tokio::test(start_paused = true)]
async fn the_bound_does_not_exceed_the_deadline() {
    let server = Server::new(Manner::Hangs);
    let mut options = UpstreamOptions::default();
    options.deadline = s(2);
    let upstream = upstream(options, s(10), &[&server]);
    failed(&upstream).await;
    assert_eq!(timed(failed(&upstream)).await, (1, s(2)));
}

fn with(bound: Option<Duration>, servers: &[&Server]) -> Upstream<Server> {
    let mut options = UpstreamOptions::default();
    options.last_resort = bound.unwrap_or(options.last_resort);
    upstream(options, s(10), servers)
}

async fn answered(upstream: &Upstream<Server>) -> usize {
    ask(upstream, "x").await.unwrap()
}

/// A request that nobody answers: how many were asked.
async fn failed(upstream: &Upstream<Server>) -> usize {
    errors(&ask(upstream, "x").await.unwrap_err()).len()
}
