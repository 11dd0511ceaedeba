//! The connection that is used next, and the one that replaces a dead one.

use policy_net::{AttemptError, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, errors, request, s, upstream, upstream_keeping};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn the_connection_used_last_is_used_next() {
    // The second one answers first.
    let server = Server::new(Manner::AnswersAfterMark(s(1)));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    let (first, second) = tokio::join!(ask(&upstream, 2), ask(&upstream, 1));
    assert!(first.is_ok() && second.is_ok());
    for mark in [8, 16] {
        ask(&upstream, mark).await.unwrap();
    }
    let (first, second) = tokio::join!(ask(&upstream, 3), ask(&upstream, 4));
    assert!(first.is_ok() && second.is_ok());

    let mut seen = server.seen();
    seen[..2].sort();
    seen[4..].sort();
    let seen: Vec<_> = seen.iter().map(|(n, mark)| (*n, &mark[..])).collect();
    let [first, second] = [&seen[0], &seen[1]].map(|(_, mark)| *mark == "2");
    assert!(first != second);
    let last = if first { 1 } else { 2 };
    assert_eq!(seen[2..4], [(last, "8"), (last, "16")]);
    assert_eq!(
        seen[4..].iter().find(|(_, mark)| *mark == "3"),
        Some(&(last, "3"))
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
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, "a").await.unwrap();
    server.hangs_up().await;
    ask(&upstream, "b").await.unwrap();
    assert_eq!(server.seen(), [(1, "a".into()), (2, "b".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_before_an_answer_byte_is_replaced_without_blame() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap();

    // It takes the second request and closes; a new connection to it works.
    server.becomes(Manner::ClosesUnansweredAfter(s(2)));
    let becoming = async {
        sleep(s(1)).await;
        server.becomes(Manner::Answers);
    };
    let mut told = Vec::new();
    let on_event = |event: policy_net::Event| {
        told.push(
            format!("{event:?}")
                .split(['(', ' '])
                .next()
                .unwrap()
                .to_owned(),
        );
    };
    let second = request(2);
    let (answer, ()) = tokio::join!(upstream.ask_with(&second, None, on_event), becoming);
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
    let options = UpstreamOptions::default();
    let upstream = upstream_keeping(s(0), options, s(10), [(&server, None)]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
        server.until_open(0).await;
    }
    assert_eq!(server.connects(), 3);
}
