//! Connections that are kept: which one is used next, which one never again.

mod support;

use std::{
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use policy_ha::Preference;
use policy_net::{AttemptError, Client, Connect, Lease, Pool, PoolOptions, UpstreamOptions};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, BufStream, Empty, Join, duplex, empty, join},
    task::{coop, yield_now},
    time::{advance, sleep, timeout},
};

use support::{Manner, Server, ask, errors, mark_of, ms, request, s, timed, upstream};

// Reuse

#[tokio::test(start_paused = true)]
async fn the_connection_used_last_is_used_next() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), PoolOptions::default());

    let (mut first, mut second) = (opened(&pool).await, opened(&pool).await);
    answered(&mut first, "a").await;
    answered(&mut second, "b").await;
    second.give_back();
    first.give_back();
    for mark in ["c", "d"] {
        let mut lease = pool.lease(s(1)).await.unwrap();
        answered(&mut lease, mark).await;
        lease.give_back();
    }
    let mut leases = [
        pool.lease(s(1)).await.unwrap(),
        pool.lease(s(1)).await.unwrap(),
    ];
    answered(&mut leases[0], "e").await;
    answered(&mut leases[1], "f").await;

    let seen: Vec<_> = server.seen();
    let seen: Vec<_> = seen.iter().map(|(n, mark)| (*n, &mark[..])).collect();
    assert_eq!(
        seen,
        [(1, "a"), (2, "b"), (1, "c"), (1, "d"), (1, "e"), (2, "f")]
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
    let pool = Pool::new(server.clone(), PoolOptions::default());
    let mut lease = opened(&pool).await;
    answered(&mut lease, "a").await;
    lease.give_back();

    server.hangs_up().await;
    assert!(!pool.lease(s(1)).await.unwrap().is_reused());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_before_an_answer_byte_is_replaced_without_blame() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap();

    // It takes the second request and closes; a new connection to it works.
    server.becomes(Manner::ClosesUnanswered);
    let mut told = Vec::new();
    let on_event = |event: policy_net::Event<'_>| {
        if matches!(event, policy_net::Event::Opening(_)) {
            server.becomes(Manner::Answers);
        }
        told.push(
            format!("{event:?}")
                .split(['(', ' '])
                .next()
                .unwrap()
                .to_owned(),
        );
    };
    let answer = upstream.ask(&request(2), Preference::None, on_event).await;
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
    let mut options = UpstreamOptions::default();
    options.pool.keep = None;
    let upstream = upstream(options, s(10), &[&server]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
        server.until_open(0).await;
    }
    assert_eq!(server.connects(), 3);
}

#[tokio::test]
async fn a_task_that_has_used_up_its_budget_still_sees_that_a_connection_is_dead() {
    // tokio then lets every read of the task wait for its next turn.
    let (near, mut far) = duplex(4096);
    let mut client = Client::new(near);
    far.write_all(b"action=OK\n\n").await.unwrap();
    client.ask(&request("a")).await.unwrap();
    assert_eq!(client.try_settle(), Some(true));
    far.write_all(b"action=never asked for\n\n").await.unwrap();
    while coop::has_budget_remaining() {
        coop::consume_budget().await;
    }
    assert_eq!(client.try_settle(), Some(false));
}

// One connection

#[tokio::test(start_paused = true)]
async fn a_connection_whose_request_was_given_up_takes_no_other() {
    let server = Server::new(Manner::AnswersAfter(s(2)));
    let mut client = Client::new(server.connect(s(1)).await.unwrap());
    timeout(s(1), client.ask(&request("a"))).await.unwrap_err();
    assert!(!client.settle().await);
    sleep(s(10)).await;
    assert!(matches!(
        client.ask(&request("b")).await,
        Err(AttemptError::Io(_))
    ));
    assert_eq!(server.marks(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_stay_in_a_buffer() {
    let server = Server::new(Manner::Answers);
    let buffered = BufStream::new(server.connect(s(1)).await.unwrap());
    let mut client = Client::new(buffered);
    let answer = timeout(s(10), client.ask(&request("a"))).await.unwrap();
    assert_eq!(answer.unwrap().as_str(), Some("a"));
}

// The blank line

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
    for more in ["\naction=OK\n\n", "\n\n"] {
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
    let pool = Pool::new(server.clone(), one_place());
    let mut lease = opened(&pool).await;
    answered(&mut lease, "a").await;
    lease.give_back();

    let (lease, took) = timed(pool.lease(s(1))).await;
    assert_eq!(took, ms(600));
    assert!(lease.unwrap().is_reused());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_more_than_its_answer_is_closed() {
    for end in ["\naction=OK\n\n", "\n\n", "\n "] {
        let server = Server::new(Manner::AnswersWith(end));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
        for mark in 0..3 {
            ask(&upstream, mark).await.unwrap();
            server.until_open(0).await;
        }
        assert_eq!(server.connects(), 3, "{end:?}");
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

// Age

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

// Places

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_opened_than_there_are_places() {
    let server = Server::new(Manner::AnswersAfter(ms(10)));
    let mut options = UpstreamOptions::default();
    options.pool.max_connections = 5;
    let upstream = upstream(options, s(10), &[&server]);

    let requests = (0..100).map(|mark| {
        let upstream = upstream.clone();
        tokio::spawn(async move { ask(&upstream, mark).await.unwrap() })
    });
    let requests: Vec<_> = requests.collect();
    let (answers, took) = timed(async {
        for request in requests {
            request.await.unwrap();
        }
    })
    .await;
    assert_eq!((answers, took), ((), ms(200)), "five at a time");
    assert_eq!((server.connects(), server.open()), (5, 5));
}

#[tokio::test]
async fn a_connection_is_closed_before_its_place_is_free() {
    for keep in [None, Some(s(60))] {
        let mut options = one_place();
        options.keep = keep;
        let connect = SpyConnect::default();
        let (free, pool) = (Arc::clone(&connect.free), Arc::clone(&connect.pool));
        pool.set(Pool::new(connect, options)).unwrap();

        let mut lease = pool.get().unwrap().lease(s(1)).await.unwrap();
        lease.open(s(3)).await.unwrap();
        lease.give_back();
        assert_eq!(*free.lock().unwrap(), [false], "{keep:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn few_connections_are_opened_at_a_time_and_slow_answers_do_not_hold_up_others() {
    let server = Server::new(Manner::AnswersAfter(s(1)));
    let mut options = PoolOptions::default();
    options.max_opening = 2;
    let pool = Pool::new(server.clone(), options);
    let mut requests = tokio::task::JoinSet::new();
    for mark in 0..6 {
        let pool = Arc::clone(&pool);
        requests.spawn(async move {
            let mut lease = pool.lease(s(10)).await.unwrap();
            lease.open(s(3)).await.unwrap();
            lease.ask(&request(mark)).await.unwrap();
        });
    }
    // Two at first; the next ones when these have had 20 ms to be accepted, though none has answered.
    let mut opened = Vec::new();
    for _ in 0..3 {
        sleep(ms(15)).await;
        opened.push(server.connects());
    }
    assert_eq!(opened, [2, 4, 6]);
    let ((), took) = timed(async { while requests.join_next().await.is_some() {} }).await;
    assert!(took < s(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_blamed_when_too_many_connections_to_it_are_being_opened() {
    let server = Server::new(Manner::BlackHole);
    let mut options = PoolOptions::default();
    options.max_opening = 1;
    let pool = Pool::new(server.clone(), options);
    let mut first = pool.lease(s(1)).await.unwrap();
    let opening = tokio::spawn(async move { first.open(s(30)).await });
    sleep(ms(1)).await;
    let (busy, took) = timed(pool.lease(s(1))).await;
    assert!(matches!(busy, Err(AttemptError::Busy)));
    assert_eq!(took, s(1));
    assert!(matches!(
        opening.await.unwrap(),
        Err(AttemptError::TimedOut)
    ));
    assert!(pool.lease(s(1)).await.is_ok(), "its turn is over");
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_and_no_longer_than_said() {
    let server = Server::new(Manner::Answers);
    let pool = Pool::new(server.clone(), one_place());
    let lease = opened(&pool).await;

    let (busy, took) = timed(pool.lease(s(1))).await;
    assert!(matches!(busy, Err(AttemptError::Busy)));
    assert_eq!(took, s(1));
    drop(lease);
    assert!(timed(pool.lease(s(1))).await.0.is_ok());
    server.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_longest_is_next() {
    let server = Server::new(Manner::AnswersAfter(ms(100)));
    let mut options = UpstreamOptions::default();
    options.pool.max_connections = 1;
    let upstream = upstream(options, s(10), &[&server]);
    let mut requests = Vec::new();
    for mark in 0..8 {
        let upstream = upstream.clone();
        requests.push(tokio::spawn(async move { ask(&upstream, mark).await }));
        yield_now().await;
    }
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(server.marks(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(server.connects(), 1);
}

async fn opened(pool: &Arc<Pool<Server>>) -> Lease<Server> {
    let mut lease = pool.lease(s(1)).await.unwrap();
    lease.open(s(3)).await.unwrap();
    lease
}

async fn answered(lease: &mut Lease<Server>, mark: &str) {
    let request = request(mark);
    let answer = lease.ask(&request).await.unwrap();
    assert_eq!(answer.as_str(), Some(&mark_of(&request)[..]));
}

fn one_place() -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_connections = 1;
    options
}

/// Opens connections, closed at their other end, that note when they are dropped whether their pool,
/// of one place, has a place free.
#[derive(Clone, Debug, Default)]
struct SpyConnect {
    free: Arc<Mutex<Vec<bool>>>,
    pool: Arc<OnceLock<Arc<Pool<Self>>>>,
}

#[derive(Debug)]
struct Spy(SpyConnect);

impl Connect for SpyConnect {
    type Io = Join<Empty, Spy>;

    async fn connect(&self, _: Duration) -> io::Result<Self::Io> {
        Ok(join(empty(), Spy(self.clone())))
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        let pool = self.0.pool.get().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let free = pin!(pool.lease(s(1))).poll(&mut cx).is_ready();
        self.0.free.lock().unwrap().push(free);
    }
}

impl AsyncWrite for Spy {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
