//! What is put to another server, and what is not, since somebody may have acted on it.

mod support;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use policy_ha::{Backend, Preference, Status};
use policy_net::{
    Answer, AttemptError, Connect, Connector, Endpoint, Exhausted, Listener, Retry, Service,
    Upstream, UpstreamOptions,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::JoinHandle,
};

use support::{Manner, Server, ask, errors, is_up, request, s, timed, upstream};

// What comes of each failure, over pipes

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
            let first = upstream.ids().next().unwrap();
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
    options.pool.max_connections = 1;
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
    assert!(upstream.ids().all(|id| is_up(&upstream, id)));
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
    assert!(upstream.ids().all(|id| is_up(&upstream, id)));

    // On a new connection it would be no accident.
    ask(&upstream, 3).await.unwrap_err();
    assert!(!upstream.ids().all(|id| is_up(&upstream, id)));
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_is_reset_within_an_answer_is_not_replaced() {
    for retry in [Retry::Always, Retry::Unsent] {
        let scripted = Scripted::new([
            Read(1, Ok(b"action=1\n\n")),
            Read(2, Ok(b"action=")),
            Read(2, Err(io::ErrorKind::ConnectionReset)),
        ]);
        let upstream = scripted.upstream(retry);
        ask_scripted(&upstream).await.unwrap();
        let exhausted = ask_scripted(&upstream).await.unwrap_err();
        assert!(matches!(errors(&exhausted)[..], [AttemptError::Io(_)]));
        assert_eq!(scripted.connects.load(SeqCst), 1);
        let is_up = upstream.ids().all(|id| upstream.status(id) == Status::Up);
        assert!(!is_up, "it is no accident");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_cannot_be_written_to_is_replaced() {
    for retry in [Retry::Always, Retry::Unsent] {
        let answer = Ok(&b"action=1\n\n"[..]);
        let end = Ok(&b""[..]);
        let mut scripted = Scripted::new([Read(1, answer), Read(2, end), Read(1, answer)]);
        scripted.broken = Some(2);
        let upstream = scripted.upstream(retry);
        ask_scripted(&upstream).await.unwrap();
        ask_scripted(&upstream).await.unwrap();
        assert_eq!(scripted.connects.load(SeqCst), 2, "{retry:?}");
        let is_up = upstream.ids().all(|id| upstream.status(id) == Status::Up);
        assert!(is_up, "{retry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_system_is_asked_before_each_request_if_it_must_not_be_repeated() {
    for (retry, asked) in [(Retry::Always, 0), (Retry::Unsent, 2)] {
        let reads = [1, 2, 3].map(|writes| Read(writes, Ok(b"action=1\n\n")));
        let scripted = Scripted::new(reads);
        let upstream = scripted.upstream(retry);
        for _ in 0..3 {
            ask_scripted(&upstream).await.unwrap();
        }
        assert_eq!(scripted.asked.load(SeqCst), asked, "{retry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_system_is_asked_also_if_that_was_decided_when_the_connection_was_there_already() {
    for (retry, asked) in [(Retry::Always, 0), (Retry::Unsent, 1)] {
        let reads = [1, 2].map(|writes| Read(writes, Ok(b"action=1\n\n")));
        let scripted = Scripted::new(reads);
        let old = scripted.upstream(Retry::Always);
        ask_scripted(&old).await.unwrap();
        let list = [(scripted.service(), old.ids().next())];
        let new = old.renewed(with(retry), list).unwrap();
        ask_scripted(&new).await.unwrap();
        assert_eq!(scripted.connects.load(SeqCst), 1);
        assert_eq!(scripted.asked.load(SeqCst), asked, "{retry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_belongs_to_the_worker_that_used_it_last() {
    let reads = [1, 2, 3, 4].map(|writes| Read(writes, Ok(b"action=1\n\n")));
    let scripted = Scripted::new(reads);
    let first = scripted.upstream(Retry::Always);
    let second = first.for_worker(1);
    // Its own runtime knows whether it is silent. Of another's the system is asked.
    for (upstream, adopted) in [(&first, 0), (&second, 1), (&second, 1), (&first, 2)] {
        ask_scripted(upstream).await.unwrap();
        assert_eq!(scripted.asked.load(SeqCst), adopted);
        assert_eq!(scripted.adopted.load(SeqCst), adopted);
    }
    assert_eq!(scripted.connects.load(SeqCst), 1);
}

// What the system says of real sockets

/// How a real server ends a connection: after it has read so many bytes of its last request.
#[derive(Clone, Copy, Debug)]
enum Reads {
    OneByte,
    All,
}

#[tokio::test]
async fn over_a_unix_socket_a_request_that_was_not_read_to_its_end_is_told_from_one_that_was() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(directory.path().join("policy.sock"));
    for (reads, unsent) in [(Reads::OneByte, true), (Reads::All, false)] {
        for kept in [false, true] {
            let asked = Asked::new(&endpoint, Retry::Unsent, reads, kept).await;
            let by = match (unsent, kept) {
                (false, _) => None,
                (true, false) => Some(1),
                (true, true) => Some(0),
            };
            assert_eq!(asked.answered_by, by, "{reads:?} {kept}");
            // What was kept may be closed at any time; a new connection may not.
            assert_eq!(asked.is_up, kept, "{reads:?}");
        }
    }
}

#[tokio::test]
async fn over_tcp_a_reset_proves_nothing() {
    let endpoint: Endpoint = "inet:127.0.0.1:0".parse().unwrap();
    for reads in [Reads::OneByte, Reads::All] {
        for kept in [false, true] {
            let asked = Asked::new(&endpoint, Retry::Unsent, reads, kept).await;
            assert_eq!(asked.answered_by, None, "{reads:?} {kept}");
            let asked = Asked::new(&endpoint, Retry::Always, reads, kept).await;
            let by = if kept { 0 } else { 1 };
            assert_eq!(asked.answered_by, Some(by), "{reads:?} {kept}");
        }
    }
}

/// What came of a request to a real server that closes while it reads it, with another in reserve.
struct Asked {
    answered_by: Option<usize>,
    is_up: bool,
}

impl Asked {
    async fn new(endpoint: &Endpoint, retry: Retry, reads: Reads, kept: bool) -> Self {
        let closes = Real::new(endpoint, reads, usize::from(kept)).await;
        let answers = Real::new(&"inet:127.0.0.1:0".parse().unwrap(), reads, usize::MAX).await;
        let services = (10..)
            .zip([&closes, &answers])
            .map(|(priority, real)| Service {
                connect: Connector::new(real.endpoint.clone()),
                backend: Backend::new(priority, 1),
                timeout: Duration::from_secs(60),
            });
        let upstream = Upstream::new(with(retry), services).unwrap();
        let ask = async |mark| upstream.ask(&request(mark), Preference::None, |_| {}).await;
        if kept {
            ask("warm").await.unwrap();
        }
        let answer = ask("asked").await;
        let answered_by = answer.ok().map(|answer| answer.backend.index());
        let first = upstream.ids().next().unwrap();
        let is_up = upstream.status(first) == Status::Up;
        Self { answered_by, is_up }
    }
}

/// A real server that answers so many requests of its first connection, closes it in the next, and
/// answers on later ones.
struct Real {
    endpoint: Endpoint,
    serving: JoinHandle<()>,
}

impl Real {
    async fn new(endpoint: &Endpoint, reads: Reads, answers: usize) -> Self {
        if let Endpoint::Unix(path) = endpoint {
            _ = std::fs::remove_file(path);
        }
        let listener = Listener::bind(endpoint).await.unwrap();
        let endpoint = listener.endpoint().unwrap();
        let serving = tokio::spawn(async move {
            let mut answers = answers;
            loop {
                let mut stream = listener.accept().await.unwrap();
                let mut read = vec![0; 4096];
                loop {
                    let room = match (answers, reads) {
                        (0, Reads::OneByte) => 1,
                        _ => read.len(),
                    };
                    // The requests are small: each comes whole.
                    match stream.read(&mut read[..room]).await {
                        Ok(1..) if answers > 0 => {
                            answers -= 1;
                            stream.write_all(b"action=DUNNO\n\n").await.unwrap();
                        }
                        Ok(0) => break,
                        _ => {
                            answers = usize::MAX;
                            break;
                        }
                    }
                }
            }
        });
        Self { endpoint, serving }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A connection, made once, that brings these bytes or this failure after so many writes.
#[derive(Clone, Debug)]
struct Scripted {
    reads: Arc<Mutex<VecDeque<Read>>>,
    connects: Arc<AtomicUsize>,
    /// How often the system was asked whether it is silent.
    asked: Arc<AtomicUsize>,
    /// How often it went from one runtime to another.
    adopted: Arc<AtomicUsize>,
    writes: usize,
    /// The number of the write, counted anew by each connection, that fails.
    broken: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Read(usize, Result<&'static [u8], io::ErrorKind>);

impl Scripted {
    fn new(reads: impl IntoIterator<Item = Read>) -> Self {
        Self {
            reads: Arc::new(Mutex::new(reads.into_iter().collect())),
            connects: Arc::default(),
            asked: Arc::default(),
            adopted: Arc::default(),
            writes: 0,
            broken: None,
        }
    }

    fn service(&self) -> Service<Self> {
        Service {
            connect: self.clone(),
            backend: Backend::default(),
            timeout: s(10),
        }
    }

    fn upstream(&self, retry: Retry) -> Upstream<Self> {
        Upstream::new(with(retry), [self.service()]).unwrap()
    }
}

async fn ask_scripted(upstream: &Upstream<Scripted>) -> Result<Answer, Exhausted> {
    upstream.ask(&request("1"), Preference::None, |_| {}).await
}

impl Connect for Scripted {
    type Io = Self;

    async fn connect(&self, _: Duration) -> io::Result<Self> {
        self.connects.fetch_add(1, SeqCst);
        Ok(self.clone())
    }

    fn is_silent(&self, _: &Self) -> bool {
        self.asked.fetch_add(1, SeqCst);
        true
    }

    fn adopt(&self, io: Self) -> io::Result<Self> {
        self.adopted.fetch_add(1, SeqCst);
        Ok(io)
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reads = self.reads.lock().unwrap();
        match reads.front() {
            Some(Read(writes, result)) if *writes <= self.writes => {
                let result = result.map(|bytes| buf.put_slice(bytes));
                reads.pop_front();
                Poll::Ready(result.map_err(io::Error::from))
            }
            _ => Poll::Pending,
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        match self.broken == Some(self.writes) {
            true => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            false => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn with(retry: Retry) -> UpstreamOptions {
    let mut options = UpstreamOptions::default();
    options.retry = retry;
    options
}
