//! Policy servers made of pipes, well-behaved and not, and what the tests ask of them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fmt::Display,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::BytesMut;
use policy_net::{
    Address, Answer, AttemptError, BackendConfig, Connect, Exhausted, Slot, Status, Upstream,
    UpstreamOptions,
};
use policy_proto::{MessageDecoder, Request, attr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

/// How a server behaves. A connection looks at it anew for each request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Nobody listens.
    Refuses,
    /// This side has no descriptor left.
    OutOfDescriptors,
    /// Connecting never ends.
    BlackHole,
    /// Connecting takes this long.
    ConnectsAfter(Duration),
    /// `action=` and the request's mark, at once.
    Answers,
    /// The same after this time.
    AnswersAfter(Duration),
    /// The same after as many times this time as the mark, modulo 8, says.
    AnswersAfterMark(Duration),
    /// The same, and closes.
    AnswersAndCloses,
    /// The same, with these bytes in place of the blank line.
    AnswersWith(&'static str),
    /// The same, with these bytes after this time in place of the blank line.
    EndsAfter(Duration, &'static str),
    /// Each request is met with these bytes.
    Says(&'static [u8]),
    /// The same, one byte each this time.
    Drips(&'static [u8], Duration),
    /// These bytes, over and over.
    Endless(&'static [u8]),
    /// These bytes come before any request, then it answers.
    Greets(&'static [u8]),
    /// Reads the request and closes.
    ClosesUnanswered,
    /// The same after this time.
    ClosesUnansweredAfter(Duration),
    /// Takes the connection and closes it, before anything can be written.
    ClosesAtOnce,
    /// The same, with these bytes before.
    SaysAtOnce(&'static [u8]),
    /// Reads nothing, and has room for so many bytes.
    ReadsNothing(usize),
    /// Sends these bytes and closes.
    SaysAndCloses(&'static [u8]),
    /// Reads, and never answers.
    Hangs,
}

/// One server by this name, for requests of 10 s at most.
pub(crate) fn backend(server: &Server, name: &str) -> BackendConfig<Server> {
    BackendConfig::new(name, server.clone())
}

/// One server, and what it has seen.
#[derive(Clone, Debug)]
pub(crate) struct Server(Arc<State>);

#[derive(Debug)]
struct State {
    manner: Mutex<Manner>,
    connects: AtomicUsize,
    seen: Mutex<Vec<(usize, String)>>,
    open: watch::Sender<usize>,
    hang_up: Notify,
}

impl Server {
    pub(crate) fn new(manner: Manner) -> Self {
        Self(Arc::new(State {
            manner: Mutex::new(manner),
            connects: AtomicUsize::new(0),
            seen: Mutex::default(),
            open: watch::Sender::new(0),
            hang_up: Notify::new(),
        }))
    }

    /// A name that no other server has.
    pub(crate) fn name(&self) -> String {
        format!("{:p}", Arc::as_ptr(&self.0))
    }

    pub(crate) fn becomes(&self, manner: Manner) {
        *self.0.manner.lock().unwrap() = manner;
    }

    /// Attempts to connect so far.
    pub(crate) fn connects(&self) -> usize {
        self.0.connects.load(SeqCst)
    }

    /// The marks of the requests that arrived, each with the number of its connection, from 1.
    pub(crate) fn seen(&self) -> Vec<(usize, String)> {
        self.0.seen.lock().unwrap().clone()
    }

    /// The marks alone.
    pub(crate) fn marks(&self) -> Vec<String> {
        self.seen().into_iter().map(|(_, mark)| mark).collect()
    }

    /// Waits until this many connections are open.
    pub(crate) async fn until_open(&self, wanted: usize) {
        let mut open = self.0.open.subscribe();
        let reached = timeout(s(600), open.wait_for(|&open| open == wanted)).await;
        reached
            .expect("on the paused clock this is no time")
            .unwrap();
    }

    pub(crate) fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Closes all connections that wait for a request.
    pub(crate) async fn hangs_up(&self) {
        self.0.hang_up.notify_waiters();
        self.until_open(0).await;
    }

    fn manner(&self) -> Manner {
        *self.0.manner.lock().unwrap()
    }

    async fn serve(self, mut pipe: DuplexStream, number: usize) {
        // Ends when the other side closes, or when there is nothing more to say.
        let _ = self.talk(&mut pipe, number).await;
        drop(pipe);
        self.0.open.send_modify(|open| *open -= 1);
    }

    async fn talk(&self, pipe: &mut DuplexStream, number: usize) -> io::Result<()> {
        let mut decoder = MessageDecoder::new();
        let mut buf = BytesMut::new();
        match self.manner() {
            Manner::Greets(words) => pipe.write_all(words).await?,
            Manner::ReadsNothing(_) => std::future::pending().await,
            _ => {}
        }
        loop {
            let request = loop {
                if let Ok(Some(request)) = decoder.request(&mut buf) {
                    break request;
                }
                let hung_up = self.0.hang_up.notified();
                let read = tokio::select! {
                    read = pipe.read_buf(&mut buf) => read?,
                    () = hung_up => 0,
                };
                if read == 0 {
                    return Ok(());
                }
            };
            let mark = mark_of(&request);
            self.0.seen.lock().unwrap().push((number, mark.clone()));
            let line = format!("action={mark}\n");
            let answer = format!("{line}\n");
            match self.manner() {
                Manner::Hangs => {}
                Manner::AnswersAfter(time) => {
                    sleep(time).await;
                    pipe.write_all(answer.as_bytes()).await?;
                }
                Manner::AnswersAfterMark(time) => {
                    let times = mark.parse::<u32>().unwrap() % 8;
                    sleep(time * times).await;
                    pipe.write_all(answer.as_bytes()).await?;
                }
                Manner::AnswersAndCloses => return pipe.write_all(answer.as_bytes()).await,
                Manner::AnswersWith(end) => {
                    pipe.write_all(format!("{line}{end}").as_bytes()).await?;
                }
                Manner::EndsAfter(time, end) => {
                    pipe.write_all(line.as_bytes()).await?;
                    sleep(time).await;
                    pipe.write_all(end.as_bytes()).await?;
                }
                Manner::Says(words) => pipe.write_all(words).await?,
                Manner::Drips(words, time) => {
                    for byte in words {
                        sleep(time).await;
                        pipe.write_all(&[*byte]).await?;
                    }
                }
                Manner::Endless(words) => loop {
                    pipe.write_all(words).await?;
                },
                Manner::ClosesUnanswered => return Ok(()),
                Manner::ClosesUnansweredAfter(time) => {
                    sleep(time).await;
                    return Ok(());
                }
                Manner::SaysAndCloses(words) => return pipe.write_all(words).await,
                _ => pipe.write_all(answer.as_bytes()).await?,
            }
        }
    }
}

impl Connect for Server {
    type Io = DuplexStream;

    async fn connect_to(&self, _: Address) -> io::Result<DuplexStream> {
        let number = self.0.connects.fetch_add(1, SeqCst) + 1;
        match self.manner() {
            Manner::Refuses => return Err(io::ErrorKind::ConnectionRefused.into()),
            Manner::OutOfDescriptors => return Err(io::Error::from_raw_os_error(EMFILE)),
            Manner::BlackHole => std::future::pending().await,
            Manner::ConnectsAfter(time) => sleep(time).await,
            _ => {}
        }
        let room = match self.manner() {
            Manner::ReadsNothing(room) => room,
            _ => 4096,
        };
        let (near, mut far) = duplex(room);
        match self.manner() {
            Manner::ClosesAtOnce => return Ok(near),
            Manner::SaysAtOnce(words) => {
                far.write_all(words).await?;
                return Ok(near);
            }
            _ => {}
        }
        self.0.open.send_modify(|open| *open += 1);
        tokio::spawn(self.clone().serve(far, number));
        Ok(near)
    }
}

/// A request that can be told from all others, and so can its answer.
pub(crate) fn request(mark: impl Display) -> Request {
    Request::from_attributes([
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::INSTANCE, &mark.to_string()),
    ])
    .unwrap()
}

pub(crate) fn mark_of(request: &Request) -> String {
    let mark = request.get(attr::INSTANCE).unwrap_or_default();
    String::from_utf8_lossy(mark).into_owned()
}

/// These servers, to be asked in this order while they are up.
pub(crate) fn upstream(
    options: UpstreamOptions,
    timeout: Duration,
    servers: &[&Server],
) -> Upstream<Server> {
    upstream_of(
        options,
        timeout,
        servers.iter().map(|&server| (server, None)),
    )
}

/// The same, each with the actions that it may answer with.
pub(crate) fn upstream_of<'a>(
    options: UpstreamOptions,
    timeout: Duration,
    servers: impl IntoIterator<Item = (&'a Server, Option<&'a str>)>,
) -> Upstream<Server> {
    upstream_keeping(s(60), options, timeout, servers)
}

/// The same, with connections that are kept for this time.
pub(crate) fn upstream_keeping<'a>(
    keep: Duration,
    options: UpstreamOptions,
    timeout: Duration,
    servers: impl IntoIterator<Item = (&'a Server, Option<&'a str>)>,
) -> Upstream<Server> {
    let backends = (10..).zip(servers).map(|(priority, (server, accepts))| {
        let backend = backend(server, &format!("mx{priority}"))
            .priority(priority)
            .timeout(timeout)
            .keep(keep);
        match accepts {
            Some(list) => backend.accepts(list.parse().unwrap()),
            None => backend,
        }
    });
    Upstream::new(options, backends).unwrap()
}

/// As hapolicy runs under spawn(8): a time-out per service covers all, nothing is kept.
pub(crate) fn drop_in(timeout: Duration, servers: &[&Server]) -> Upstream<Server> {
    let mut options = UpstreamOptions::default();
    options.connect = None;
    let servers = servers.iter().map(|&server| (server, None));
    upstream_keeping(Duration::ZERO, options, timeout, servers)
}

/// Who answered, after checking that the answer is this request's own.
pub(crate) async fn ask(
    upstream: &Upstream<Server>,
    mark: impl Display,
) -> Result<usize, Exhausted> {
    let answer = upstream.ask(&request(&mark)).await?;
    let Answer {
        backend, response, ..
    } = answer;
    assert_eq!(response.as_bytes(), mark.to_string().as_bytes());
    Ok(backend.index())
}

/// What `work` came to, and how long it took on the paused clock: to the millisecond, the unit of
/// tokio's timers.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    let done = work.await;
    let took = begin.elapsed().as_micros().div_ceil(1000);
    (done, ms(u64::try_from(took).unwrap()))
}

/// The errors of all attempts, in order.
pub(crate) fn errors(exhausted: &Exhausted) -> Vec<&AttemptError> {
    exhausted
        .attempts
        .iter()
        .map(|attempt| &attempt.error)
        .collect()
}

pub(crate) fn is_up(upstream: &Upstream<Server>, backend: Slot) -> bool {
    upstream.status(backend) == Some(Status::Up)
}

pub(crate) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const EMFILE: i32 = 24;
