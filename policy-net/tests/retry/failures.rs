//! The outcome of each failure, over pipes.

use policy_net::{AttemptError, Retry};
use policy_testing::pipe::{Manner, Server, ask, errors, is_up, s, timed, upstream};

use crate::with;

#[tokio::test(start_paused = true)]
async fn what_may_have_been_acted_on_is_asked_again_only_if_that_is_wanted() {
    for (manner, unsent) in [
        (Manner::Refuses, true),
        (Manner::BlackHole, true),
        (Manner::ClosesAtOnce, true),
        (Manner::SaysAtOnce(b"action=DUN"), false),
        (Manner::ReadsNothing(16), true),
        (Manner::ReadsNothing(4096), false),
        (Manner::ClosesUnanswered, false),
        (Manner::Hangs, false),
        (Manner::Says(b"220 hello\n"), false),
        (Manner::Greets(b"220 hello\n"), false),
        (Manner::SaysAndCloses(b"action=DUN"), false),
        (Manner::Drips(b"action=DUNNO\n\n", s(1)), false),
    ] {
        for retry in [Retry::Always, Retry::Unsent] {
            let (first, second) = (Server::new(manner), Server::new(Manner::Answers));
            let upstream = upstream(with(retry), s(10), &[&first, &second]);
            let answered = ask(&upstream, 1).await;

            let again = unsent || retry == Retry::Always;
            assert_eq!(answered.is_ok(), again, "{manner:?} {retry:?}");
            assert_eq!(second.marks().len(), usize::from(again), "{manner:?}");
            if let Err(exhausted) = answered {
                assert_eq!(errors(&exhausted).len(), 1, "{manner:?}");
            }
            let first = upstream.ids()[0];
            assert!(
                !is_up(&upstream, first),
                "{manner:?} is blamed all the same"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_found_no_place_or_no_descriptor_was_not_sent() {
    let (full, live) = (Server::new(Manner::Hangs), Server::new(Manner::Answers));
    let mut options = with(Retry::Unsent);
    options.max_connections = 1;
    let upstream = upstream(options, s(10), &[&full, &live]);
    let (hung, passed_on) = tokio::join!(ask(&upstream, 1), timed(ask(&upstream, 2)));
    assert!(hung.is_err());
    assert_eq!((passed_on.0.unwrap(), passed_on.1), (1, s(1)));

    full.becomes(Manner::OutOfDescriptors);
    tokio::time::advance(s(60)).await;
    assert_eq!(ask(&upstream, 3).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_was_closed_before_the_request_is_replaced() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(with(Retry::Unsent), s(10), &[&server]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
        server.hangs_up().await;
    }
    assert_eq!(server.connects(), 3);
    assert!(upstream.ids().into_iter().all(|id| is_up(&upstream, id)));
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_may_have_been_read_is_not_replaced_and_nobody_is_blamed() {
    let (server, other) = (Server::new(Manner::Answers), Server::new(Manner::Answers));
    let upstream = upstream(with(Retry::Unsent), s(10), &[&server, &other]);
    ask(&upstream, 1).await.unwrap();

    server.becomes(Manner::ClosesUnanswered);
    let exhausted = ask(&upstream, 2).await.unwrap_err();
    assert!(matches!(errors(&exhausted)[..], [AttemptError::Closed]));
    assert_eq!((server.connects(), other.connects()), (1, 0));
    assert!(upstream.ids().into_iter().all(|id| is_up(&upstream, id)));

    // On a new connection it would be no accident.
    ask(&upstream, 3).await.unwrap_err();
    assert!(!upstream.ids().into_iter().all(|id| is_up(&upstream, id)));
}
