use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use policy_proto::{DecodeError, Decoder, Limits, Request, Response};
use rustix::io::Errno;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::unconstrained,
    time::Instant,
};

use crate::{Connect, alarm::Alarm};

/// Why a policy server gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// No connection could be opened.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection failed before an answer.
    #[error("connection failed")]
    Io(#[source] io::Error),
    /// The server closed the connection before it sent a byte of an answer.
    #[error("connection closed without an answer")]
    Closed,
    /// The server sent something that is no answer.
    #[error("invalid answer")]
    Invalid {
        /// What is wrong with it.
        #[source]
        error: DecodeError,
        /// The line that is wrong, or what came of it, or the first line of an answer without an
        /// action; at most 512 bytes, for the log.
        line: Bytes,
    },
    /// The time for connecting or for the whole attempt was over.
    #[error("timed out")]
    TimedOut,
    /// All connections that this server may have are in use, and stayed so.
    #[error("too many requests under way")]
    Busy,
}

impl AttemptError {
    /// Whether the failure tells something about the server. It does not where this side has run
    /// out of connections or of descriptors.
    ///
    /// ```
    /// use policy_net::AttemptError;
    /// use std::io;
    ///
    /// assert!(AttemptError::TimedOut.blames_server());
    /// assert!(!AttemptError::Busy.blames_server());
    ///
    /// let refused = AttemptError::Connect(io::ErrorKind::ConnectionRefused.into());
    /// assert!(refused.blames_server());
    /// let too_many_open_files = || io::Error::from_raw_os_error(24);
    /// assert!(!AttemptError::Connect(too_many_open_files()).blames_server());
    /// assert!(!AttemptError::Io(too_many_open_files()).blames_server());
    /// assert!(AttemptError::Io(io::ErrorKind::BrokenPipe.into()).blames_server());
    /// ```
    #[must_use]
    pub fn blames_server(&self) -> bool {
        match self {
            Self::Busy => false,
            Self::Connect(error) | Self::Io(error) => !is_ours(error),
            _ => true,
        }
    }
}

/// Whether this side has run out of something.
fn is_ours(error: &io::Error) -> bool {
    let ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    ours.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// One connection to a policy server, for one request at a time.
///
/// What a server sends before it is asked is taken for its answer, so that a client is to be used
/// only as long as [`settle`](Self::settle) says.
///
/// ```
/// use policy_net::Client;
/// use policy_proto::Request;
/// use tokio::io::AsyncWriteExt;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (near, mut far) = tokio::io::duplex(4096);
/// far.write_all(b"action=DUNNO\n\n").await?;
///
/// let mut client = Client::new(near);
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// assert_eq!(client.ask(&request).await?.as_str(), Some("DUNNO"));
/// assert!(client.settle().await, "it can be asked again");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client<Io> {
    io: Io,
    buf: BytesMut,
    decoder: Decoder,
    alarm: Alarm,
    /// A byte has come since the last request was begun.
    heard: bool,
    /// The system has taken the whole of the last request.
    sent: bool,
    /// A request was begun and got no answer: if one comes, it is not the next one's.
    lost: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    /// A client on a connection that has just been opened, with the default [`Limits`].
    pub fn new(io: Io) -> Self {
        Self::with_limits(io, Limits::default())
    }

    /// The same with other limits for answers.
    pub fn with_limits(io: Io, limits: Limits) -> Self {
        let decoder = Decoder::new().with_limits(limits);
        Self {
            io,
            buf: BytesMut::new(),
            decoder,
            alarm: Alarm::default(),
            heard: false,
            sent: false,
            lost: false,
        }
    }

    /// Sends a request and waits for its answer, which counts as soon as its line is complete.
    ///
    /// It sets no limit of time: that is the caller's. After an error, or when the returned future
    /// was dropped before its end, the connection takes no other request: an answer that comes late
    /// would be taken for the next one's.
    ///
    /// Before another request, [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// [`Io`](AttemptError::Io) when the connection fails, or is not to be used any more;
    /// [`Closed`](AttemptError::Closed) when it ends without a byte of an answer;
    /// [`Invalid`](AttemptError::Invalid) when it ends within one, or what comes is none.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, AttemptError> {
        if mem::replace(&mut self.lost, true) {
            return Err(AttemptError::Io(io::ErrorKind::NotConnected.into()));
        }
        let response = self.exchange(request).await?;
        self.lost = false;
        Ok(response)
    }

    async fn exchange(&mut self, request: &Request) -> Result<Response, AttemptError> {
        self.heard = false;
        self.sent = false;
        let unsent = match self.send(request.as_bytes()).await {
            Err(error) if is_ours(&error) => return Err(AttemptError::Io(error)),
            sent => sent.err(),
        };
        loop {
            if let Some(response) = self.decode()? {
                return Ok(response);
            }
            let end = match self.read().await {
                Ok(0) if self.heard => return Err(self.invalid(DecodeError::UnexpectedEnd)),
                Ok(0) => AttemptError::Closed,
                Ok(_) => continue,
                Err(error) => AttemptError::Io(error),
            };
            // A server may answer and close before it has read all. If it did not, then that it did
            // not take the request is the reason.
            return Err(unsent.map_or(end, AttemptError::Io));
        }
    }

    /// The same, until this time at the latest: [`TimedOut`](AttemptError::TimedOut). No time is for
    /// ever. Without an allocation, and as a rule without arming a timer, once it has been used.
    pub(crate) async fn ask_until(
        &mut self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<Response, AttemptError> {
        let mut alarm = mem::take(&mut self.alarm);
        let answer = {
            let mut asked = pin!(self.ask(request));
            poll_fn(|cx| match asked.as_mut().poll(cx) {
                Poll::Pending => alarm.poll(until, cx).map(|()| Err(AttemptError::TimedOut)),
                answer => answer,
            })
            .await
        };
        self.alarm = alarm;
        answer
    }

    /// Whether a byte of an answer has come since [`ask`](Self::ask) was called. Where not, a
    /// connection that was kept open and fails has probably been closed before the request came.
    #[must_use]
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// Whether the system has taken the last byte of the request since [`ask`](Self::ask) was called.
    /// Where not, its server cannot have read it whole.
    #[must_use]
    pub fn sent(&self) -> bool {
        self.sent
    }

    /// Waits for what is left of the last answer, its blank line; whether the connection can be
    /// used for another request: it cannot when more has come, or the server has closed it.
    ///
    /// It sets no limit of time. Nothing is lost when the returned future is dropped before its
    /// end.
    pub async fn settle(&mut self) -> bool {
        if self.lost {
            return false;
        }
        loop {
            match self.decoder.skip_rest(&mut self.buf) {
                Ok(true) => return self.buf.is_empty() && self.is_quiet(),
                Ok(false) if matches!(self.read().await, Ok(1..)) => {}
                _ => return false,
            }
        }
    }

    /// What [`settle`](Self::settle) would say with the bytes that are here already; `None` if it
    /// would wait.
    pub fn try_settle(&mut self) -> Option<bool> {
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(self.settle()).poll(&mut cx) {
            Poll::Ready(usable) => Some(usable),
            Poll::Pending => None,
        }
    }

    /// The same for the runtime that this is called in.
    pub(crate) fn adopted_by<C: Connect<Io = Io>>(self, by: &C) -> io::Result<Self> {
        Ok(Self {
            io: by.adopt(self.io)?,
            // It is the other runtime's.
            alarm: Alarm::default(),
            ..self
        })
    }

    /// The connection.
    pub(crate) const fn io(&self) -> &Io {
        &self.io
    }

    /// Whether nothing has come that was not asked for: neither bytes nor the end of the stream.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let read = poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut byte)));
        // A task whose budget is used up would find each connection quiet.
        let mut cx = Context::from_waker(Waker::noop());
        pin!(unconstrained(read)).poll(&mut cx).is_pending()
    }

    fn decode(&mut self) -> Result<Option<Response>, AttemptError> {
        // The line at fault is found by its offset, since the buffer still holds the whole message.
        self.decoder
            .response(&mut self.buf)
            .map_err(|error| self.invalid(error))
    }

    fn invalid(&self, error: DecodeError) -> AttemptError {
        // Where an action is missing, what came in its place says more than the blank line behind it.
        let offset = match error {
            DecodeError::NoAction { .. } => 0,
            error => error.offset().unwrap_or(0),
        };
        let rest = &self.buf[offset.min(self.buf.len())..];
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = Bytes::copy_from_slice(&line[..line.len().min(512)]);
        AttemptError::Invalid { error, line }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.sent = true;
        self.io.flush().await
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buf.reserve(READ);
        let read = self.io.read_buf(&mut self.buf).await?;
        self.heard |= read > 0;
        Ok(read)
    }
}

/// An answer is some twenty bytes; longer ones take several reads.
const READ: usize = 512;
