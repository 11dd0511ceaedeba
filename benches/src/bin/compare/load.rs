//! The load: many connections, each of which sends its next request when the answer to its last is there. One
//! thread that never waits for one of them, so that it takes little from what is measured.

use std::{
    error::Error,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use policy_benches::{
    samples::{TYPICAL, typical},
    stub::ANSWER,
};
use socket2::Socket;

use crate::contestant::Running;

pub(crate) struct Load<'a> {
    poll: Poll,
    clients: Vec<Client>,
    /// What it is put on.
    to: &'a Running,
    /// Different requests, one after the other, and which is the next.
    requests: Vec<u8>,
    next: usize,
    /// Whether each request gets a new connection.
    once: bool,
}

/// What has come of a load.
pub(crate) struct Answered {
    pub(crate) requests: u64,
    pub(crate) time: Duration,
    /// In nanoseconds.
    latency: Histogram<u64>,
}

struct Client {
    socket: Socket,
    sent: Instant,
    /// How much of the answer is there.
    read: usize,
}

impl Answered {
    /// p50, p99 and p99.9 in microseconds.
    pub(crate) fn percentiles(&self) -> [f64; 3] {
        [50.0, 99.0, 99.9].map(|part| self.latency.value_at_percentile(part) as f64 / 1e3)
    }
}

impl<'a> Load<'a> {
    /// Opens so many connections; if each request is to have its own, the first of each client.
    pub(crate) fn open(
        connections: usize,
        once: bool,
        to: &'a Running,
    ) -> Result<Self, Box<dyn Error>> {
        let mut load = Self {
            poll: Poll::new()?,
            clients: Vec::with_capacity(connections),
            to,
            requests: typical(REQUESTS),
            next: 0,
            once,
        };
        for number in 0..connections {
            let socket = load.connect(number)?;
            load.clients.push(Client {
                socket,
                sent: Instant::now(),
                read: 0,
            });
        }
        Ok(load)
    }

    /// Sends requests for that long, and waits for the answers of those under way.
    pub(crate) fn run(&mut self, time: Duration) -> Result<Answered, Box<dyn Error>> {
        let begin = Instant::now();
        let mut latency = Histogram::new(3)?;
        for number in 0..self.clients.len() {
            self.send(number)?;
        }
        let mut under_way = self.clients.len();
        let mut events = Events::with_capacity(1024);
        let mut buffer = [0; 512];
        while under_way > 0 {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(
                    format!("{under_way} requests without an answer in {PATIENCE:?}").into(),
                );
            }
            for event in &events {
                let number = event.token().0;
                if !self.clients[number].read(&mut buffer)? {
                    continue;
                }
                let now = Instant::now();
                let elapsed = now.duration_since(self.clients[number].sent);
                latency.record(u64::try_from(elapsed.as_nanos())?)?;
                if now.duration_since(begin) < time {
                    self.send(number)?;
                } else {
                    under_way -= 1;
                }
            }
        }
        Ok(Answered {
            requests: latency.len(),
            time: begin.elapsed(),
            latency,
        })
    }

    fn connect(&self, number: usize) -> io::Result<Socket> {
        let socket = self.to.connect(number)?;
        socket.set_nonblocking(true)?;
        let fd = socket.as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), Token(number), Interest::READABLE)?;
        Ok(socket)
    }

    fn send(&mut self, number: usize) -> io::Result<()> {
        let request = &self.requests[self.next * TYPICAL..][..TYPICAL];
        self.next = (self.next + 1) % REQUESTS;
        self.clients[number].sent = Instant::now();
        self.clients[number].read = 0;
        if self.once {
            self.clients[number].socket = self.connect(number)?;
        }
        // What is under way to one peer is always less than its socket's buffer.
        (&self.clients[number].socket).write_all(request)
    }
}

impl Client {
    /// Reads once; whether the whole answer is there now.
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool, Box<dyn Error>> {
        let read = match (&self.socket).read(buffer) {
            Ok(0) => return Err("a connection was closed".into()),
            Ok(length) => &buffer[..length],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let end = self.read + read.len();
        if ANSWER.get(self.read..end) != Some(read) {
            return Err(format!("a wrong answer: {:?}", String::from_utf8_lossy(read)).into());
        }
        self.read = end;
        Ok(end == ANSWER.len())
    }
}

const REQUESTS: usize = 1000;
/// The machine stands still at times.
const PATIENCE: Duration = Duration::from_secs(60);
