//! The blank line that ends an answer, and what comes instead of it.

use policy_net::UpstreamOptions;
use policy_testing::pipe::{Manner, Server, ask, ms, s, timed, upstream};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_its_blank_line_is_not_used_before_it_has_come() {
    let server = Server::new(Manner::EndsAfter(ms(900), "\n"));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);

    ask(&upstream, 1).await.unwrap();
    sleep(ms(800)).await;
    ask(&upstream, 2).await.unwrap();
    assert_eq!(server.connects(), 2, "the first one still owes");
    sleep(ms(200)).await;
    ask(&upstream, 3).await.unwrap();
    assert_eq!(
        server.seen()[2],
        (1, "3".into()),
        "the first one is idle now"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_its_blank_line_for_a_second_is_closed() {
    let server = Server::new(Manner::AnswersWith(""));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);

    ask(&upstream, 1).await.unwrap();
    let ((), took) = timed(server.until_open(0)).await;
    assert_eq!(took, s(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_its_blank_line_and_says_more_is_closed() {
    for more in ["\naction=OK\n\n", "\n\n\n"] {
        let server = Server::new(Manner::EndsAfter(ms(500), more));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        ask(&upstream, 1).await.unwrap();
        let ((), took) = timed(server.until_open(0)).await;
        assert_eq!(took, ms(500));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_its_blank_line_still_takes_a_place() {
    let server = Server::new(Manner::EndsAfter(ms(600), "\n"));
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, s(10), &[&server]);
    ask(&upstream, "a").await.unwrap();

    let (answered, took) = timed(ask(&upstream, "b")).await;
    answered.unwrap();
    assert_eq!((took, server.connects()), (ms(600), 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_more_than_its_answer_is_closed() {
    for end in ["\naction=OK\n\n", "\n\n\n", "\n "] {
        let server = Server::new(Manner::AnswersWith(end));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        for mark in 0..3 {
            ask(&upstream, mark).await.unwrap();
            assert_eq!(timed(server.until_open(0)).await.1, s(0));
        }
        assert_eq!(server.connects(), 3, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_blank_line_too_many_does_no_harm() {
    for manner in [
        Manner::AnswersWith("\n\n"),
        Manner::EndsAfter(ms(500), "\n\n"),
    ] {
        let server = Server::new(manner);
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        for mark in 0..3 {
            ask(&upstream, mark).await.unwrap();
            sleep(s(1)).await;
        }
        assert_eq!(server.connects(), 1, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_blank_line_is_skipped() {
    let server = Server::new(Manner::AnswersWith("comment=not for Postfix\n\n"));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
    }
    assert_eq!(server.connects(), 1);
}
