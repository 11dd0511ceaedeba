//! One connection to a policy server, for one request at a time.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use policy_proto::{DecodeError, Limits, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::unconstrained,
    time::Instant,
};

use crate::{AttemptError, Connect, MemoryBudget, TimedOut, alarm::Alarm, attempt_error::is_ours};

mod answers;
use answers::Answers;

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
    answers: Answers,
    alarm: Alarm,
    /// How much of the last request the system has taken.
    written: usize,
    /// It has taken all of it.
    sent: bool,
    /// The answer is waited for: the request was sent, or there was this error.
    is_listening: bool,
    send_error: Option<io::Error>,
    /// A byte has come since the last request was begun.
    heard: bool,
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
        Self {
            io,
            answers: Answers::new(limits),
            alarm: Alarm::default(),
            written: 0,
            sent: false,
            is_listening: false,
            send_error: None,
            heard: false,
            lost: false,
        }
    }

    /// The same, with answers beyond 1 KiB in memory of this budget: where that is used up, they wait.
    ///
    /// ```
    /// use policy_net::{Client, MemoryBudget};
    /// use policy_proto::{Request, Response};
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let (near, mut far) = tokio::io::duplex(64 * 1024);
    /// let long = "REJECT ".to_owned() + &"x".repeat(2000);
    /// far.write_all(format!("action={long}\n\n").as_bytes()).await?;
    ///
    /// let budget = MemoryBudget::new(256 << 20);
    /// let mut client = Client::new(near).with_memory(budget.clone());
    /// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    /// let answer = client.ask(&request).await?;
    /// assert_eq!(answer.as_str(), Some(&*long));
    /// assert_eq!(budget.in_use(), 2048, "the answer has it until it is dropped");
    /// drop(answer);
    /// assert_eq!(budget.in_use(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_memory(mut self, budget: MemoryBudget) -> Self {
        self.answers.memory = Some(budget);
        self
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
        self.ask_within(request, None).await
    }

    /// The same between the beginning of an attempt and its end at the latest:
    /// [`TimedOut`](AttemptError::TimedOut), or [`NoMemory`](AttemptError::NoMemory) if that is what it waited for. No
    /// time is for ever. Without an allocation, and as a rule without arming a timer, once it has been used.
    pub(crate) fn ask_within(
        &mut self,
        request: &Request,
        within: Option<(Instant, Instant)>,
    ) -> impl Future<Output = Result<Response, AttemptError>> {
        let mut begun = false;
        poll_fn(move |cx| {
            if !mem::replace(&mut begun, true) {
                self.begin()?;
            }
            match self.poll_exchange(request, cx) {
                Poll::Pending => {
                    let late = self.alarm.poll(within.map(|(_, end)| end), cx);
                    late.map(|()| Err(self.timed_out(no_answer(within))))
                }
                answer => answer,
            }
        })
    }

    /// What it means that its time is over.
    pub(crate) fn timed_out(&self, late: TimedOut) -> AttemptError {
        match self.answers.wait_for_memory() {
            true => AttemptError::NoMemory,
            false => AttemptError::TimedOut(late),
        }
    }

    fn begin(&mut self) -> Result<(), AttemptError> {
        if mem::replace(&mut self.lost, true) {
            return Err(AttemptError::Io(io::ErrorKind::NotConnected.into()));
        }
        self.written = 0;
        self.sent = false;
        self.is_listening = false;
        self.send_error = None;
        self.heard = false;
        Ok(())
    }

    fn poll_exchange(
        &mut self,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, AttemptError>> {
        if !self.is_listening {
            let sent = ready!(self.poll_send(request.as_bytes(), cx));
            self.is_listening = true;
            match sent {
                Err(error) if is_ours(&error) => return Poll::Ready(Err(AttemptError::Io(error))),
                sent => self.send_error = sent.err(),
            }
        }
        loop {
            if let Some(response) = self.answers.decode()? {
                self.lost = false;
                return Poll::Ready(Ok(response));
            }
            let end = match ready!(self.poll_read(cx)) {
                Ok(0) if self.heard => {
                    return Poll::Ready(Err(self.answers.invalid(DecodeError::UnexpectedEnd)));
                }
                Ok(0) => AttemptError::Closed,
                Ok(_) => continue,
                Err(error) => AttemptError::Io(error),
            };
            // A server may answer and close before it has read all. If it did not, then that it did
            // not take the request is the reason.
            let error = self.send_error.take().map_or(end, AttemptError::Io);
            return Poll::Ready(Err(error));
        }
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
            match self.answers.skip_rest() {
                Ok(true) => return self.answers.is_done() && seems_silent(&mut self.io),
                Ok(false) if matches!(poll_fn(|cx| self.poll_read(cx)).await, Ok(1..)) => {}
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

    /// The same with what is known of connections of its kind.
    pub(crate) fn try_settle_as<C: Connect<Io = Io>>(&mut self, kind: &C) -> Option<bool> {
        if self.lost {
            return Some(false);
        }
        match self.answers.skip_rest() {
            Ok(true) => Some(self.answers.is_done() && kind.seems_silent(&mut self.io)),
            _ => self.try_settle(),
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

    fn poll_send(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut io = Pin::new(&mut self.io);
        while let Some(rest @ [_, ..]) = bytes.get(self.written..) {
            match ready!(io.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.sent = true;
        io.poll_flush(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(self.answers.poll_read(&mut self.io, cx))?;
        self.heard |= read > 0;
        Poll::Ready(Ok(read))
    }
}

/// There was none between these two.
pub(crate) fn no_answer(within: Option<(Instant, Instant)>) -> TimedOut {
    let within = within.map(|(begin, end)| end.saturating_duration_since(begin));
    TimedOut::Answer {
        within: within.unwrap_or(Duration::MAX),
    }
}

/// Whether nothing has come that was not asked for, neither bytes nor the end of the stream, as far as
/// a read finds out.
pub(crate) fn seems_silent<Io: AsyncRead + Unpin>(io: &mut Io) -> bool {
    let mut byte = [0];
    let read = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut ReadBuf::new(&mut byte)));
    // A task whose budget is used up would find each connection silent.
    let mut cx = Context::from_waker(Waker::noop());
    pin!(unconstrained(read)).poll(&mut cx).is_pending()
}
