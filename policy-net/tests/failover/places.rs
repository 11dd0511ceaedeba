//! A service without a place or a descriptor left: who waits, how long, and that nobody is blamed.

use policy_ha::Mode;
use policy_net::UpstreamOptions;
use policy_testing::pipe::{Manner, Server, is_up, ms, request, s, timed, upstream};

use crate::{ask_ok, id};

#[tokio::test(start_paused = true)]
async fn running_out_of_descriptors_blames_nobody() {
    let (short, live) = (
        Server::new(Manner::OutOfDescriptors),
        Server::new(Manner::Answers),
    );
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&short, &live]);

    assert_eq!(ask_ok(&upstream, 1).await, 1);
    assert!(is_up(&upstream, id(0)));
    short.becomes(Manner::Answers);
    assert_eq!(ask_ok(&upstream, 2).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_with_no_place_left_is_passed_over_without_blame() {
    let (slow, live) = (
        Server::new(Manner::AnswersAfter(s(5))),
        Server::new(Manner::Answers),
    );
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, s(10), &[&slow, &live]);

    let (first, second) = tokio::join!(timed(ask_ok(&upstream, 1)), timed(ask_ok(&upstream, 2)),);
    assert_eq!((first, second), ((0, s(5)), (1, s(1))));
    assert!(is_up(&upstream, id(0)));
}

#[tokio::test(start_paused = true)]
async fn a_place_of_the_last_service_is_waited_for_as_long_as_the_attempt_may_last() {
    let only = Server::new(Manner::AnswersAfter(s(5)));
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, s(11), &[&only]);

    let (first, second) = tokio::join!(timed(ask_ok(&upstream, 1)), timed(ask_ok(&upstream, 2)));
    assert_eq!((first, second), ((0, s(5)), (0, s(10))));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_as_long_where_all_others_are_down() {
    for other in [Manner::Refuses, Manner::BlackHole, Manner::Hangs] {
        let (slow, dead) = (Server::new(Manner::AnswersAfter(s(2))), Server::new(other));
        let mut options = UpstreamOptions::default();
        options.max_connections = 1;
        // The dead one comes first, so that it is known to be down.
        let upstream = upstream(options, s(10), &[&dead, &slow]);
        assert_eq!(ask_ok(&upstream, 0).await, 1);

        let ask = |mark| ask_ok(&upstream, mark);
        let answered = tokio::join!(ask(1), ask(2), ask(3), ask(4));
        assert_eq!(answered, (1, 1, 1, 1), "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_sticks_to_a_full_service_that_is_drained_waits_no_longer_than_others() {
    let (full, idle) = (
        Server::new(Manner::AnswersAfter(s(5))),
        Server::new(Manner::Answers),
    );
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, s(10), &[&full, &idle]);
    let first = request("0");
    let first = upstream.ask(&first).await.unwrap();
    assert_eq!(first.backend, id(0));
    upstream.set_mode(id(0), Mode::Drain);
    let stick = async || {
        let request = request("1");
        let answer = upstream.ask_with(&request, Some(first.stick), |_| {}).await;
        answer.unwrap().backend.index()
    };

    let (first, second) = tokio::join!(timed(stick()), timed(stick()));
    assert_eq!((first, second), ((0, s(5)), (1, s(1))));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_does_not_come_free_within_the_attempts_time_blames_nobody() {
    // It takes its place for longer than an attempt may last, and for less than a place is waited
    // for.
    let (owes, live) = (
        Server::new(Manner::EndsAfter(ms(600), "\n")),
        Server::new(Manner::Answers),
    );
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, ms(500), &[&owes, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (0, s(0)));
    assert_eq!(timed(ask_ok(&upstream, 2)).await, (1, ms(500)));
    assert!(is_up(&upstream, id(0)));
}
