//! The cost of a failure.

use std::time::Duration;

use policy_net::{AttemptError, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, drop_in, errors, ms, s, timed, upstream};
use tokio::time::sleep;

use crate::ask_ok;

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_one_timeout_and_then_nothing() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = drop_in(s(30), &[&dead, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(30)));
    for mark in 2..100 {
        assert_eq!(timed(ask_ok(&upstream, mark)).await, (1, s(0)));
    }
    assert_eq!(dead.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn three_hung_services_and_a_live_fourth_are_answered_within_the_deadline() {
    let hung = [(); 3].map(|()| Server::new(Manner::Hangs));
    let live = Server::new(Manner::Answers);
    let upstream = drop_in(s(30), &[&hung[0], &hung[1], &hung[2], &live]);

    // 90 s by four, and so it stays: each takes an equal share of what is left.
    assert_eq!(timed(ask_ok(&upstream, 1)).await, (3, ms(67_500)));
}

#[tokio::test(start_paused = true)]
async fn the_default_is_due_at_the_deadline_when_all_hang() {
    let hung = [(); 4].map(|()| Server::new(Manner::Hangs));
    let upstream = drop_in(s(30), &[&hung[0], &hung[1], &hung[2], &hung[3]]);

    let (exhausted, took) = timed(ask(&upstream, 1)).await;
    assert_eq!(took, s(90));
    assert_eq!(errors(&exhausted.unwrap_err()).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn more_services_than_the_deadline_has_room_for_do_not_exceed_it() {
    let hung: Vec<_> = (0..64).map(|_| Server::new(Manner::Hangs)).collect();
    let upstream = drop_in(s(30), &hung.iter().collect::<Vec<_>>());

    let (exhausted, took) = timed(ask(&upstream, 1)).await;
    assert_eq!(took, s(90));
    assert_eq!(errors(&exhausted.unwrap_err()).len(), 18, "5 s each");
}

#[tokio::test(start_paused = true)]
async fn a_refused_service_costs_nothing() {
    let (dead, live) = (Server::new(Manner::Refuses), Server::new(Manner::Answers));
    let upstream = drop_in(s(30), &[&dead, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(0)));
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_three_seconds_at_most() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&dead, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(3)));
}

#[tokio::test(start_paused = true)]
async fn connecting_is_given_no_more_than_the_attempt_has_left() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(2), &[&server]);
    ask_ok(&upstream, 1).await;
    server.becomes(Manner::ClosesUnansweredAfter(ms(1_500)));
    let becoming = async {
        sleep(s(1)).await;
        server.becomes(Manner::BlackHole);
    };
    // The second attempt began on a kept connection, which took 1.5 s to fail.
    let ((failed, took), ()) = tokio::join!(timed(ask(&upstream, 2)), becoming);
    failed.unwrap_err();
    assert_eq!((server.connects(), took), (2, s(2)));
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_no_error() {
    let server = Server::new(Manner::AnswersAfter(s(1_000_000)));
    let mut options = UpstreamOptions::default();
    options.deadline = Duration::MAX;
    options.connect = None;
    let upstream = upstream(options, Duration::MAX, &[&server]);
    assert_eq!(timed(ask_ok(&upstream, 1)).await, (0, s(1_000_000)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_connection_leaves_the_answer_the_rest_of_the_attempt() {
    let (slow, live) = (
        Server::new(Manner::ConnectsAfter(s(2))),
        Server::new(Manner::Answers),
    );
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&slow, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (0, s(2)));
    slow.hangs_up().await;
    slow.becomes(Manner::Hangs);
    assert_eq!(timed(ask_ok(&upstream, 2)).await, (1, s(10)));
}

#[tokio::test(start_paused = true)]
async fn a_dripping_server_is_cut_off_by_the_attempts_limit() {
    let drips = Server::new(Manner::Drips(b"action=DUNNO, but not so fast\n\n", s(1)));
    let live = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&drips, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(10)));
    drips.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_fails_over_at_once() {
    let no_equals = "no '=' in the line at byte 0";
    let rows: [(Manner, &str, &[u8]); 9] = [
        (Manner::Says(b"220 hello\r\n"), no_equals, b"220 hello\r"),
        (Manner::Greets(b"220 hello\n"), no_equals, b"220 hello"),
        (
            Manner::Says(b"\n"),
            "blank line before 'action=' at byte 0",
            b"",
        ),
        (
            Manner::Says(b"result=ok\n\n"),
            "blank line before 'action=' at byte 10",
            b"",
        ),
        (
            Manner::Says(b"action=\n\n"),
            "blank action in the line at byte 0",
            b"action=",
        ),
        (
            Manner::Says(b"action=OK\0\n\n"),
            "a NUL byte in the line at byte 0",
            b"action=OK\0",
        ),
        (
            Manner::SaysAndCloses(b"action=DUN"),
            "end of the stream within a message",
            b"action=DUN",
        ),
        (
            Manner::Endless(b"action"),
            "line longer than 16384 bytes",
            b"action",
        ),
        (
            Manner::Endless(b"a=b\n"),
            "message longer than 131072 bytes",
            b"a=b",
        ),
    ];
    for (manner, wanted, starts) in rows {
        let server = Server::new(manner);
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        let (exhausted, took) = timed(ask(&upstream, 1)).await;
        let exhausted = exhausted.unwrap_err();
        let [AttemptError::Invalid { error, line }] = errors(&exhausted)[..] else {
            panic!("{manner:?}: {exhausted:?}");
        };
        assert_eq!((&*error.to_string(), took), (wanted, s(0)), "{manner:?}");
        assert!(
            line.starts_with(starts) && line.len() <= 512,
            "{manner:?}: {line:?}"
        );
        server.until_open(0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_unanswered_fails_over_at_once() {
    let (closes, live) = (
        Server::new(Manner::ClosesUnanswered),
        Server::new(Manner::Answers),
    );
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&closes, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(0)));
    assert_eq!(closes.connects(), 1, "a new connection is not replaced");
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_before_its_blank_line() {
    for manner in [
        Manner::AnswersWith(""),
        Manner::EndsAfter(s(5), "\n"),
        Manner::AnswersAndCloses,
        Manner::AnswersWith("\naction=another\n\n"),
    ] {
        let server = Server::new(manner);
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        assert_eq!(timed(ask_ok(&upstream, 1)).await, (0, s(0)), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_in_the_moment_of_the_time_out_counts() {
    for manner in [
        Manner::AnswersAfter(s(10)),
        Manner::Drips(b"action=1\n\n", s(1)),
    ] {
        let server = Server::new(manner);
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        let (answered, took) = timed(ask(&upstream, 1)).await;
        assert_eq!(
            (answered.ok(), took <= s(10)),
            (Some(0), true),
            "{manner:?}"
        );
    }
}
