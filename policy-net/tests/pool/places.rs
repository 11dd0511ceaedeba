//! The limit of connections, and requests that wait for one.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use policy_net::{Address, AttemptError, BackendConfig, Connect, Upstream, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, errors, ms, request, s, timed, upstream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_closed_before_its_place_is_free() {
    for keep in [s(0), s(60)] {
        let spy = Spy::default();
        let (alive, most) = (Arc::clone(&spy.alive), Arc::clone(&spy.most));
        let backend = BackendConfig::new("spy", spy).keep(keep);
        let mut options = UpstreamOptions::default();
        options.max_connections = 3;
        let upstream = Upstream::new(options, [backend]).unwrap();
        let mut requests = JoinSet::new();
        for mark in 0..300 {
            let upstream = upstream.clone();
            requests.spawn(async move {
                let request = request(mark);
                upstream.ask(&request).await.is_ok()
            });
        }
        assert!(
            requests
                .join_all()
                .await
                .into_iter()
                .all(|answered| answered)
        );
        assert!((1..=3).contains(&most.load(Relaxed)), "{keep:?}");
        drop(upstream);
        let closed = async {
            while alive.load(Relaxed) > 0 {
                yield_now().await;
            }
        };
        timeout(s(60), closed).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn few_connections_are_opened_at_a_time_and_slow_answers_do_not_hold_up_others() {
    let server = Server::new(Manner::AnswersAfter(s(1)));
    let mut options = UpstreamOptions::default();
    options.max_opening = 2;
    let upstream = upstream(options, s(10), &[&server]);
    let mut requests = JoinSet::new();
    for mark in 0..6 {
        let upstream = upstream.clone();
        requests.spawn(async move { ask(&upstream, mark).await.unwrap() });
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
async fn the_request_that_waits_longest_is_next() {
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
        let server = Server::new(Manner::Answers);
        let mut options = UpstreamOptions::default();
        options.max_connections = places;
        let upstream = upstream(options, s(10), &[&server]);
        match ask(&upstream, 1).await {
            Ok(_) => assert!(!is_busy, "{places}"),
            Err(exhausted) => {
                assert!(matches!(errors(&exhausted)[..], [AttemptError::Busy]));
                assert!(is_busy, "{places}");
            }
        }
        let open = upstream.open(upstream.ids()[0]);
        assert_eq!(open, usize::from(!is_busy), "{places}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_another_task_now_is_woken_there() {
    let server = Server::new(Manner::AnswersAfter(s(1)));
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let upstream = upstream(options, s(10), &[&server]);
    let [first, second] = [1, 2].map(request);
    let mut holds = pin!(upstream.ask(&first));
    assert!(poll(&mut holds, Waker::noop()).is_pending());
    let mut waits = pin!(upstream.ask(&second));
    let [(before, first), (after, second)] = [(); 2].map(|()| bell());
    for waker in [first, second] {
        assert!(poll(&mut waits, &waker).is_pending());
    }
    sleep(s(3)).await;
    assert_eq!(before.rung(), 0);
    assert!(after.rung() > 0);
    assert!(poll(&mut waits, Waker::noop()).is_ready());
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

/// Opens connections that answer each request at once, and counts how many there are.
#[derive(Clone, Debug, Default)]
struct Spy {
    alive: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Spied {
    spy: Spy,
    answers: usize,
    reader: Option<Waker>,
}

impl Connect for Spy {
    type Io = Spied;

    async fn connect_to(&self, _: Address) -> io::Result<Spied> {
        let alive = self.alive.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(alive, Relaxed);
        Ok(Spied {
            spy: self.clone(),
            answers: 0,
            reader: None,
        })
    }
}

impl Drop for Spied {
    fn drop(&mut self) {
        self.spy.alive.fetch_sub(1, Relaxed);
    }
}

impl AsyncRead for Spied {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answers == 0 {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.answers -= 1;
        buf.put_slice(b"action=DUNNO\n\n");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Spied {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.answers += 1;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
