//! Answers and their requests: none goes to another one.

use policy_net::UpstreamOptions;
use policy_testing::pipe::{Manner, Server, ask, is_up, mark_of, ms, request, s, timed, upstream};
use tokio::{
    task::JoinSet,
    time::{advance, timeout},
};

use crate::{ask_ok, id};

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_leaves_no_place_taken() {
    for manner in [Manner::BlackHole, Manner::Hangs] {
        let server = Server::new(manner);
        let mut options = UpstreamOptions::default();
        options.max_connections = 1;
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
    options.max_connections = 250;
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
    // A request that was left over is not holding a place either.
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
    let answer = upstream.ask(&odd).await.unwrap();
    assert_eq!(answer.response.as_bytes(), mark_of(&odd).as_bytes());
}
