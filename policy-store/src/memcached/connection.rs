//! A connection to memcached that calls share: a task sends what they ask, many at once, and reads the replies.

use std::{
    future::{Future as _, poll_fn},
    os::fd::AsFd,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot},
};

use super::{
    commands::Commands,
    pipeline::{Call, Failed, Pipeline, closed},
    replies::Reply,
};
use crate::{StoreError, address::Address, shared::Driven};

/// How many calls are handed over before the task has run: it takes them all at once.
const MAX_HANDED_OVER: usize = 64;

/// What calls have of the connection.
#[derive(Clone, Debug)]
pub(super) struct Connection(mpsc::Sender<Call>);

impl Connection {
    pub(super) async fn open(address: &Address) -> Result<Driven<Self>, StoreError> {
        let (sender, calls) = mpsc::channel(MAX_HANDED_OVER);
        let connection = Self(sender);
        Ok(match address {
            Address::Inet(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Driven::new(connection, drive(stream, calls))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                Driven::new(connection, drive(stream, calls))
            }
        })
    }

    /// Sends commands and gives one reply to each.
    pub(super) async fn exchange(&self, commands: Arc<Commands>) -> Result<Vec<Reply>, Failed> {
        let (answer, wait) = oneshot::channel();
        let call = Call::new(commands, answer);
        if self.0.send(call).await.is_err() {
            return Err(Failed::closed());
        }
        // The task tells each call how it ended, unless its runtime has ended.
        wait.await.unwrap_or_else(|_| Err(closed().into()))
    }
}

/// Sends and reads until the connection ends, or nobody has it any more.
async fn drive<S>(mut stream: S, mut calls: mpsc::Receiver<Call>)
where
    S: AsyncRead + AsyncWrite + AsFd + Unpin,
{
    let mut pipeline = Pipeline::default();
    let ended = poll_fn(|cx| turn(&mut stream, &mut calls, &mut pipeline, cx)).await;
    let Err(error) = ended else {
        return;
    };
    pipeline.fail(&error);
    calls.close();
    // Of these nothing was sent. One may just be handed over.
    while let Some(call) = calls.recv().await {
        call.not_sent();
    }
}

/// Does what can be done without waiting.
fn turn<S>(
    stream: &mut S,
    calls: &mut mpsc::Receiver<Call>,
    pipeline: &mut Pipeline,
    cx: &mut Context<'_>,
) -> Poll<Result<(), StoreError>>
where
    S: AsyncRead + AsyncWrite + AsFd + Unpin,
{
    loop {
        while pipeline.has_room()
            && let Poll::Ready(call) = calls.poll_recv(cx)
        {
            let Some(call) = call else {
                return Poll::Ready(Ok(()));
            };
            if call.is_given_up() {
                continue;
            }
            if pipeline.is_idle() && !is_quiet(&*stream) {
                call.not_sent();
                return Poll::Ready(Err(StoreError::Protocol("more than was asked for".into())));
            }
            pipeline.begin(call);
        }
        let mut is_done = true;
        if !pipeline.to_send.is_empty() {
            let sent = pin!(stream.write_buf(&mut pipeline.to_send)).poll(cx);
            match sent {
                Poll::Ready(Ok(_)) => is_done = false,
                // What the server has said before comes first.
                Poll::Ready(Err(_)) => pipeline.send_no_more(),
                Poll::Pending => {}
            }
        }
        let read = pin!(stream.read_buf(pipeline.buffer())).poll(cx);
        if let Poll::Ready(read) = read {
            if read? == 0 {
                return Poll::Ready(Err(closed()));
            }
            pipeline.answer()?;
            is_done = false;
        }
        if is_done {
            return Poll::Pending;
        }
    }
}

/// Whether nothing has come since the last reply, and the server has not closed. The kernel is asked: the runtime may not have
/// heard yet.
fn is_quiet(stream: impl AsFd) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(stream, &mut [0; 1], flags), Err(Errno::WOULDBLOCK))
}
