//! Failover on a clock that only moves when everyone waits: what each failure costs, to the
//! millisecond, and who is blamed for it.

mod support;

use std::time::Duration;

use policy_ha::{Backend, BackendId, Balancer, Config, Mode, Preference, Transition};
use policy_net::{AttemptError, Event, Service, Upstream, UpstreamOptions};
use policy_proto::DecodeError;
use tokio::{
    task::JoinSet,
    time::{advance, timeout},
};

use support::{
    Manner, Server, ask, drop_in, errors, is_up, mark_of, ms, request, s, timed, upstream,
};

// What a failure costs

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_one_timeout_and_then_nothing() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = upstream(drop_in(), s(30), &[&dead, &live]);

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
    let upstream = upstream(drop_in(), s(30), &[&hung[0], &hung[1], &hung[2], &live]);

    // 90 s by four, and so it stays: each takes an equal share of what is left.
    assert_eq!(timed(ask_ok(&upstream, 1)).await, (3, ms(67_500)));
}

#[tokio::test(start_paused = true)]
async fn the_default_is_due_at_the_deadline_when_all_hang() {
    let hung = [(); 4].map(|()| Server::new(Manner::Hangs));
    let upstream = upstream(drop_in(), s(30), &[&hung[0], &hung[1], &hung[2], &hung[3]]);

    let (exhausted, took) = timed(ask(&upstream, 1)).await;
    assert_eq!(took, s(90));
    assert_eq!(errors(&exhausted.unwrap_err()).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn more_services_than_the_deadline_has_room_for_do_not_exceed_it() {
    let hung: Vec<_> = (0..64).map(|_| Server::new(Manner::Hangs)).collect();
    let upstream = upstream(drop_in(), s(30), &hung.iter().collect::<Vec<_>>());

    let (exhausted, took) = timed(ask(&upstream, 1)).await;
    assert_eq!(took, s(90));
    assert_eq!(errors(&exhausted.unwrap_err()).len(), 18, "5 s each");
}

#[tokio::test(start_paused = true)]
async fn a_refused_service_costs_nothing() {
    let (dead, live) = (Server::new(Manner::Refuses), Server::new(Manner::Answers));
    let upstream = upstream(drop_in(), s(30), &[&dead, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(0)));
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_three_seconds_at_most() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&dead, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(3)));
    assert_eq!(dead.withins(), [s(3)]);
}

#[tokio::test(start_paused = true)]
async fn connecting_is_given_no_more_than_the_attempt_has_left() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(2), &[&server]);
    ask_ok(&upstream, 1).await;
    server.becomes(Manner::ClosesUnansweredAfter(ms(1_500)));
    ask(&upstream, 2).await.unwrap_err();
    // The second attempt began on a kept connection, which took 1.5 s to fail.
    assert_eq!(server.withins(), [s(2), ms(500)]);
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
    let no_equals = DecodeError::NoEquals { offset: 0 };
    let rows: [(Manner, DecodeError, &[u8]); 9] = [
        (Manner::Says(b"220 hello\r\n"), no_equals, b"220 hello\r"),
        (Manner::Greets(b"220 hello\n"), no_equals, b"220 hello"),
        (
            Manner::Says(b"\n"),
            DecodeError::NoAction { offset: 0 },
            b"",
        ),
        (
            Manner::Says(b"result=ok\n\n"),
            DecodeError::NoAction { offset: 10 },
            b"",
        ),
        (
            Manner::Says(b"action=\n\n"),
            DecodeError::BlankAction { offset: 0 },
            b"action=",
        ),
        (
            Manner::Says(b"action=OK\0\n\n"),
            DecodeError::Nul { offset: 0 },
            b"action=OK\0",
        ),
        (
            Manner::SaysAndCloses(b"action=DUN"),
            DecodeError::UnexpectedEnd,
            b"action=DUN",
        ),
        (
            Manner::Endless(b"action"),
            DecodeError::LineTooLong { limit: 16_384 },
            b"action",
        ),
        (
            Manner::Endless(b"a=b\n"),
            DecodeError::MessageTooLong { limit: 131_072 },
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
        assert_eq!((*error, took), (wanted, s(0)), "{manner:?}");
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

// Who is asked

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

    for mark in 0..10 {
        let stick = Preference::Stick(second);
        let answer = upstream.ask(&request(mark), stick, |_| {}).await.unwrap();
        assert_eq!(answer.backend, second);
    }
    servers[1].hangs_up().await;
    servers[1].becomes(Manner::Refuses);
    let stick = Preference::Stick(second);
    let answer = upstream.ask(&request(10), stick, |_| {}).await.unwrap();
    assert_eq!(answer.backend, id(0));
}

#[tokio::test(start_paused = true)]
async fn equal_services_share_by_weight() {
    let servers = [(); 2].map(|()| Server::new(Manner::Answers));
    let services = servers.iter().zip([3, 1]).map(|(server, weight)| Service {
        connect: server.clone(),
        backend: Backend::new(10, weight),
        timeout: s(10),
    });
    let upstream = Upstream::new(UpstreamOptions::default(), services).unwrap();
    for mark in 0..400 {
        ask_ok(&upstream, mark).await;
    }
    assert_eq!(servers.map(|server| server.marks().len()), [300, 100]);
}

// Who is blamed

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
    options.pool.max_connections = 1;
    let upstream = upstream(options, s(10), &[&slow, &live]);

    let (first, second) = tokio::join!(timed(ask_ok(&upstream, 1)), timed(ask_ok(&upstream, 2)),);
    assert_eq!((first, second), ((0, s(5)), (1, s(1))));
    assert!(is_up(&upstream, id(0)));
}

#[tokio::test(start_paused = true)]
async fn a_place_of_the_last_service_is_waited_for_as_long_as_the_attempt_may_last() {
    let only = Server::new(Manner::AnswersAfter(s(5)));
    let mut options = UpstreamOptions::default();
    options.pool.max_connections = 1;
    let upstream = upstream(options, s(11), &[&only]);

    let (first, second) = tokio::join!(timed(ask_ok(&upstream, 1)), timed(ask_ok(&upstream, 2)));
    assert_eq!((first, second), ((0, s(5)), (0, s(10))));
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_as_long_where_all_others_are_down() {
    for other in [Manner::Refuses, Manner::BlackHole, Manner::Hangs] {
        let (slow, dead) = (Server::new(Manner::AnswersAfter(s(2))), Server::new(other));
        let mut options = UpstreamOptions::default();
        options.pool.max_connections = 1;
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
    options.pool.max_connections = 1;
    let upstream = upstream(options, s(10), &[&full, &idle]);
    upstream.set_mode(id(0), Mode::Drain);
    let stick = async || {
        let request = request("1");
        let answer = upstream
            .ask(&request, Preference::Stick(id(0)), |_| {})
            .await;
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
    options.pool.max_connections = 1;
    let upstream = upstream(options, ms(500), &[&owes, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (0, s(0)));
    assert_eq!(timed(ask_ok(&upstream, 2)).await, (1, ms(500)));
    assert!(is_up(&upstream, id(0)));
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_request_is_told_in_order() {
    let (dead, live) = (Server::new(Manner::BlackHole), Server::new(Manner::Answers));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&dead, &live]);

    let mut told = Vec::new();
    let on_event = |event: Event<'_>| {
        told.push(match event {
            Event::Opening(backend) => format!("opening {}", backend.index()),
            Event::Connected(backend) => format!("connected {}", backend.index()),
            Event::Answered {
                backend,
                response,
                took,
            } => {
                let text = response.as_str().unwrap();
                format!("{} said {text} after {took:?}", backend.index())
            }
            Event::Failed {
                backend,
                error,
                took,
            } => format!("{} {error} after {took:?}", backend.index()),
            Event::Changed {
                backend,
                transition: Transition::Down { .. },
                ..
            } => format!("{} is down", backend.index()),
            event => panic!("{event:?}"),
        });
    };
    upstream
        .ask(&request("yes"), Preference::None, on_event)
        .await
        .unwrap();
    let wanted = [
        "opening 0",
        "0 timed out after 3s",
        "0 is down",
        "opening 1",
        "connected 1",
        "1 said yes after 0ns",
    ];
    assert_eq!(told, wanted);
}

// Whose answer it is

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_leaves_no_place_taken() {
    for manner in [Manner::BlackHole, Manner::Hangs] {
        let server = Server::new(manner);
        let mut options = UpstreamOptions::default();
        options.pool.max_connections = 1;
        let upstream = upstream(options, s(10), &[&server]);

        for mark in 0..10 {
            timeout(s(1), ask(&upstream, mark)).await.unwrap_err();
        }
        assert!(is_up(&upstream, id(0)), "nothing was learned");
        server.until_open(0).await;
        server.becomes(Manner::Answers);
        assert_eq!(timed(ask_ok(&upstream, 10)).await, (0, s(0)), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_request_that_was_given_up_is_never_anothers() {
    let server = Server::new(Manner::AnswersAfter(s(2)));
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);

    ask_ok(&upstream, "warm").await;
    for mark in 0..10 {
        timeout(s(1), ask(&upstream, mark)).await.unwrap_err();
        advance(ms(900)).await;
        // `ask` checks the mark.
        ask_ok(&upstream, format!("after {mark}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_never_the_next_ones() {
    let (late, live) = (
        Server::new(Manner::AnswersAfter(s(11))),
        Server::new(Manner::Answers),
    );
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&late, &live]);

    assert_eq!(timed(ask_ok(&upstream, 1)).await, (1, s(10)));
    advance(s(15)).await;
    late.becomes(Manner::Answers);
    assert_eq!(ask_ok(&upstream, 2).await, 0);
    assert_eq!(
        late.seen(),
        [(1, "1".into()), (2, "2".into())],
        "a new connection"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_at_once_each_get_their_own_answer() {
    // Attempts end after 3 s, answers come after 0 to 3.5 s, clients leave after 0 to 6 s.
    let servers = [(); 3].map(|()| Server::new(Manner::AnswersAfterMark(ms(500))));
    let mut options = UpstreamOptions::default();
    options.pool.max_connections = 250;
    let upstream = upstream(options, s(3), &[&servers[0], &servers[1], &servers[2]]);

    let mut requests = JoinSet::new();
    for mark in 0..1000_u64 {
        let upstream = upstream.clone();
        requests.spawn(async move {
            let patience = if mark % 3 == 0 { ms(mark * 6) } else { s(90) };
            timeout(patience, ask(&upstream, mark)).await
        });
    }
    let (mut answered, mut unanswered, mut gone) = (0, 0, 0);
    while let Some(request) = requests.join_next().await {
        match request.unwrap() {
            Ok(Ok(_)) => answered += 1,
            Ok(Err(_)) => unanswered += 1,
            Err(_) => gone += 1,
        }
    }
    assert!(
        answered > 300 && gone > 30,
        "{answered} {unanswered} {gone}"
    );
    // Whoever was left over is not holding a place either.
    for server in &servers {
        server.becomes(Manner::Answers);
    }
    advance(s(60)).await;
    assert_eq!(timed(ask_ok(&upstream, 1000)).await.1, s(0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_what_was_given() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    let odd = request("a=b c\u{e9}");
    let answer = upstream.ask(&odd, Preference::None, |_| {}).await.unwrap();
    assert_eq!(answer.response.as_bytes(), mark_of(&odd).as_bytes());
}

async fn ask_ok(upstream: &Upstream<Server>, mark: impl std::fmt::Display) -> usize {
    ask(upstream, mark).await.unwrap()
}

/// The balancer alone makes ids, the same ones everywhere.
fn id(index: usize) -> BackendId {
    let all = Balancer::new(Config::default(), [Backend::default(); 4]).unwrap();
    all.ids().nth(index).unwrap()
}
