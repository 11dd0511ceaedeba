//! How many connections there may be, and who waits for one.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use policy_net::{AttemptError, Connect, Pool, PoolOptions, TimedOut, UpstreamOptions};
use tokio::{
    io::{AsyncWrite, Empty, Join, empty, join},
    task::yield_now,
    time::sleep,
};

use crate::{
    one_place, opened,
    support::{Manner, Server, ask, ms, request, s, timed, upstream},
};

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_opened_than_there_are_places() {
    let server = Server::new(Manner::AnswersAfter(ms(10)));
    let mut options = UpstreamOptions::default();
    options.max_connections = 5;
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
        Err(AttemptError::TimedOut(TimedOut::Connect(None)))
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
    options.max_connections = 1;
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

#[tokio::test(start_paused = true)]
async fn there_may_be_any_number_of_places() {
    for (places, is_busy) in [(0, true), (1, false), (usize::MAX, false)] {
        let mut options = PoolOptions::default();
        options.max_connections = places;
        let pool = Pool::new(Server::new(Manner::Answers), options);
        let lease = pool.lease(s(1)).await;
        assert_eq!(
            matches!(lease, Err(AttemptError::Busy)),
            is_busy,
            "{places}"
        );
        assert_eq!(pool.in_use(), u32::from(!is_busy));
        drop(lease);
        assert_eq!(pool.in_use(), 0);
    }
}

#[tokio::test]
async fn a_place_never_goes_to_somebody_who_has_given_up() {
    // Whether the first one gives up before there is a place, or with it.
    for early in [true, false] {
        let pool = Pool::new(Server::new(Manner::Answers), one_place());
        let lease = opened(&pool).await;
        let [(bell, waker), (second_bell, second_waker)] = [(); 2].map(|()| bell());
        let mut first = Box::pin(pool.lease(s(10)));
        let mut second = pin!(pool.lease(s(10)));
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut second, &second_waker).is_pending());

        if early {
            drop(first);
            drop(lease);
        } else {
            drop(lease);
            assert_eq!((bell.rung(), second_bell.rung()), (1, 0));
            drop(first);
        }
        assert_eq!(second_bell.rung(), 1, "{early}");
        let Poll::Ready(Ok(lease)) = poll(&mut second, &second_waker) else {
            panic!("{early}: it has no place");
        };
        drop(lease);
        assert_eq!(pool.in_use(), 0);
    }
}

#[tokio::test]
async fn who_waits_in_another_task_now_is_woken_there() {
    let pool = Pool::new(Server::new(Manner::Answers), one_place());
    let lease = opened(&pool).await;
    let mut waits = pin!(pool.lease(s(10)));
    let [(before, first), (after, second)] = [(); 2].map(|()| bell());
    for waker in [first, second] {
        assert!(poll(&mut waits, &waker).is_pending());
    }
    drop(lease);
    assert_eq!((before.rung(), after.rung()), (0, 1));
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::<Bell>::default();
    (Arc::clone(&bell), bell.into())
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
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
