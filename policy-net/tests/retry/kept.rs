//! Kept connections that follow a script: which are replaced, and when the system is asked.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use policy_ha::Status;
use policy_net::{
    Address, Answer, AttemptError, BackendConfig, Connect, Exhausted, Retry, Upstream,
};
use policy_testing::pipe::{errors, request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::with;

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
        let is_up = upstream
            .ids()
            .into_iter()
            .all(|id| upstream.status(id) == Some(Status::Up));
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
        let is_up = upstream
            .ids()
            .into_iter()
            .all(|id| upstream.status(id) == Some(Status::Up));
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
        let upstream = scripted.upstream(Retry::Always);
        ask_scripted(&upstream).await.unwrap();
        let list = [(scripted.service(), upstream.ids().pop())];
        upstream.exchange(with(retry), list).unwrap();
        ask_scripted(&upstream).await.unwrap();
        assert_eq!(scripted.connects.load(SeqCst), 1);
        assert_eq!(scripted.asked.load(SeqCst), asked, "{retry:?}");
    }
}

/// A connection, made once, that brings these bytes or this failure after so many writes.
#[derive(Clone, Debug)]
struct Scripted {
    reads: Arc<Mutex<VecDeque<Read>>>,
    connects: Arc<AtomicUsize>,
    /// How often the system was asked whether it is silent.
    asked: Arc<AtomicUsize>,
    /// Who waits for bytes.
    reader: Arc<Mutex<Option<Waker>>>,
    writes: usize,
    /// The number of the write, counted by each connection, that fails.
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
            reader: Arc::default(),
            writes: 0,
            broken: None,
        }
    }

    fn service(&self) -> BackendConfig<Self> {
        BackendConfig::new("scripted", self.clone())
    }

    fn upstream(&self, retry: Retry) -> Upstream<Self> {
        Upstream::new(with(retry), [self.service()]).unwrap()
    }
}

async fn ask_scripted(upstream: &Upstream<Scripted>) -> Result<Answer, Exhausted> {
    upstream.ask(&request("1")).await
}

impl Connect for Scripted {
    type Io = Self;

    async fn connect_to(&self, _: Address) -> io::Result<Self> {
        self.connects.fetch_add(1, SeqCst);
        Ok(self.clone())
    }

    fn is_open(&self, _: &Self) -> bool {
        self.asked.fetch_add(1, SeqCst);
        true
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reads = self.reads.lock().unwrap();
        match reads.front() {
            Some(Read(writes, result)) if *writes <= self.writes => {
                let result = result.map(|bytes| buf.put_slice(bytes));
                reads.pop_front();
                Poll::Ready(result.map_err(io::Error::from))
            }
            _ => {
                *self.reader.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }
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
        if let Some(reader) = self.reader.lock().unwrap().take() {
            reader.wake();
        }
        if self.broken == Some(self.writes) {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        } else {
            Poll::Ready(Ok(buf.len()))
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
