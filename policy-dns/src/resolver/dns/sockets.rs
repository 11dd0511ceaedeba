//! Sockets over UDP, each shared by questions that are under way at the same time.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::oneshot::{self, Receiver},
    task::AbortHandle,
    time::Instant,
};

use super::{
    message::{DecodeError, Decoded, FLAGS, TRUNCATED},
    query::Query,
    transport_error::TransportError,
};

/// The sockets that take questions, one for each server.
///
/// No socket outlives its questions, and none takes questions for long: a port that a stranger has found out is of no
/// use soon, and has to be guessed together with the id of a question.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: Mutex<Vec<(SocketAddr, Weak<Socket>)>>,
}

impl Sockets {
    /// Sends a query, and waits until its answer comes.
    pub(super) async fn ask(
        &self,
        server: SocketAddr,
        query: &Arc<Query>,
    ) -> Result<Decoded, TransportError> {
        let (socket, answer) = self.send(server, query)?;
        // Gives the id back, however the question ends.
        let _place = Place {
            socket: &socket,
            id: query.id(),
        };
        // The sender stays as long as the place.
        let gone = |_| Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        answer.await.unwrap_or_else(gone)
    }

    fn send(&self, server: SocketAddr, query: &Arc<Query>) -> io::Result<(Arc<Socket>, AnswerOf)> {
        let mut open = lock(&self.open);
        let known = open.iter_mut().find(|(of, _)| *of == server);
        if let Some((_, socket)) = &known
            && let Some(socket) = socket.upgrade()
            && let Some(answer) = socket.take(query)
        {
            return Ok((socket, answer));
        }
        let (socket, answer) = Socket::with(server, query)?;
        let new = Arc::downgrade(&socket);
        match known {
            Some((_, socket)) => *socket = new,
            None => open.push((server, new)),
        }
        Ok((socket, answer))
    }
}

/// A socket that is connected to a server: the system drops what is not from the server, and tells when nothing listens
/// there. Its port is one that the system chooses by chance.
#[derive(Debug)]
struct Socket {
    socket: AsyncFd<UdpSocket>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// At most `MAX_QUESTIONS`: it is faster to look at each than to find one by its hash.
    waiting: Vec<Waiting>,
    /// How many more questions it takes, and until when.
    left: usize,
    until: Instant,
    /// The task that reads; it ends with the last question.
    reading: Option<AbortHandle>,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Waiting {
    query: Arc<Query>,
    /// None once it was answered.
    answer: Option<oneshot::Sender<Result<Decoded, TransportError>>>,
}

type AnswerOf = Receiver<Result<Decoded, TransportError>>;

impl Socket {
    /// A socket with its first question.
    fn with(server: SocketAddr, query: &Arc<Query>) -> io::Result<(Arc<Self>, AnswerOf)> {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        socket.send(query.bytes())?;
        let mut state = State {
            waiting: Vec::with_capacity(MAX_QUESTIONS),
            left: MAX_QUESTIONS,
            until: Instant::now() + MAX_AGE,
            reading: None,
        };
        let answer = state.add(query);
        // When it can send is not asked for: it always can, see `MAX_QUESTIONS`. `tokio::net::UdpSocket` would be woken
        // for each query that has been sent.
        #[allow(
            deprecated,
            reason = "its successor is unsafe; a socket of the standard library keeps its descriptor"
        )]
        let reading = AsyncFd::with_interest(socket, INTEREST)?;
        let socket = Arc::new(Self {
            socket: reading,
            state: Mutex::new(state),
        });
        let reading = tokio::spawn(Reading(Arc::clone(&socket)).run());
        lock(&socket.state).reading = Some(reading.abort_handle());
        Ok((socket, answer))
    }

    /// Sends one more query, unless the socket has had its share, or another one has the same id.
    fn take(&self, query: &Arc<Query>) -> Option<AnswerOf> {
        let mut state = lock(&self.state);
        let is_open = state.left > 0 && Instant::now() < state.until;
        if !is_open || state.waiting(query.id()).is_some() {
            return None;
        }
        match self.socket.get_ref().send(query.bytes()) {
            Ok(_) => Some(state.add(query)),
            Err(error) => {
                state.fail(&error);
                None
            }
        }
    }

    /// Waits for messages, and reads what has come.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut ready = self.socket.ready(INTEREST).await?;
        while let Ok(length) = ready.try_io(|socket| socket.get_ref().recv(buffer)) {
            let length = length?;
            // The system has cut off the rest of it, if there was one.
            if length == buffer.len()
                && let Some(flags) = buffer.get_mut(FLAGS)
            {
                *flags |= TRUNCATED;
            }
            let datagram = buffer.get(..length).unwrap_or_default();
            lock(&self.state).deliver(datagram);
        }
        Ok(())
    }
}

/// Reads for all questions of a socket, until none waits.
struct Reading(Arc<Socket>);

impl Reading {
    async fn run(self) {
        let mut buffer = vec![0; MAX_UDP + 1];
        while !lock(&self.0.state).ends() {
            if let Err(error) = self.0.receive(&mut buffer).await {
                lock(&self.0.state).fail(&error);
            }
        }
    }
}

impl Drop for Reading {
    /// Questions of other runtimes than the one that has ended are asked again.
    fn drop(&mut self) {
        lock(&self.0.state).fail(&io::ErrorKind::BrokenPipe.into());
    }
}

impl State {
    /// Whether no question waits. Then none is taken any more.
    fn ends(&mut self) -> bool {
        let is_idle = self.waiting.iter().all(|waiting| waiting.answer.is_none());
        if is_idle {
            self.left = 0;
        }
        is_idle
    }

    fn add(&mut self, query: &Arc<Query>) -> AnswerOf {
        let (sender, receiver) = oneshot::channel();
        self.left = self.left.saturating_sub(1);
        let waiting = Waiting {
            query: Arc::clone(query),
            answer: Some(sender),
        };
        self.waiting.push(waiting);
        receiver
    }

    /// The question with this id.
    fn waiting(&mut self, id: u16) -> Option<&mut Waiting> {
        let mut all = self.waiting.iter_mut();
        all.find(|waiting| waiting.query.id() == id)
    }

    /// Gives a message to the question that it answers. One that answers none may be forged: the answer may still come.
    fn deliver(&mut self, datagram: &[u8]) {
        let Some(id) = datagram.first_chunk::<2>() else {
            return;
        };
        let Some(waiting) = self.waiting(u16::from_be_bytes(*id)) else {
            return;
        };
        let decoded = waiting.query.decode(datagram);
        if decoded != Err(DecodeError::OtherQuestion)
            && let Some(answer) = waiting.answer.take()
        {
            // The question may be given up just now.
            _ = answer.send(decoded.map_err(TransportError::from));
        }
    }

    /// Ends all that wait: nothing listens at the other end. The next question has another socket.
    fn fail(&mut self, error: &io::Error) {
        self.left = 0;
        for waiting in &mut self.waiting {
            if let Some(answer) = waiting.answer.take() {
                _ = answer.send(Err(io::Error::from(error.kind()).into()));
            }
        }
    }
}

/// The place of a question, until it ends.
struct Place<'a> {
    socket: &'a Socket,
    id: u16,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.socket.state);
        state
            .waiting
            .retain(|waiting| waiting.query.id() != self.id);
        let reading = if state.ends() {
            state.reading.take()
        } else {
            None
        };
        drop(state);
        if let Some(reading) = reading {
            reading.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages, and that nothing listens at the other end.
const INTEREST: Interest = Interest::READABLE.add(Interest::ERROR);
/// How many questions a socket takes in its time: their queries fit into its buffer, and their answers too.
const MAX_QUESTIONS: usize = 32;
/// How long it takes questions.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The most bytes of a message that is taken as a whole: more than the query asks for, since a server may send more.
const MAX_UDP: usize = 4096;

#[cfg(test)]
mod tests;
