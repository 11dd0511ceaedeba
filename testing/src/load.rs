//! Load on a policy server: one thread with so many connections, over each of which one request follows the other.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{self, Shutdown, SocketAddr},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};

/// How much is asked. One thread is enough, and takes less of the machine from the server than a thread for each connection would.
#[derive(Debug)]
pub struct Load {
    pub server: SocketAddr,
    pub clients: Clients,
    pub time: Duration,
}

/// Those who ask.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Each has a connection.
    pub count: usize,
    /// Whether they ask the kernel again and again instead of sleeping until an answer comes. A server whose client sleeps pays for
    /// waking up the client's processor, which on a virtual machine may be more than all the rest.
    pub are_awake: bool,
}

impl Clients {
    /// So many, which sleep while they wait.
    pub const fn new(count: usize) -> Self {
        Self {
            count,
            are_awake: false,
        }
    }

    /// One that sleeps while it waits, the same awake, and sixteen.
    pub const FEW: &[Self] = &[
        Self::new(1),
        Self {
            count: 1,
            are_awake: true,
        },
        Self::new(16),
    ];
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let awake = if self.are_awake { ", awake" } else { "" };
        write!(f, "{}{awake}", self.count)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Answers {
    pub answered: u64,
    /// Requests whose connection was closed instead of an answer, or that had none [`PATIENCE`] after the end.
    pub failed: u64,
    /// How many connections had an answer.
    pub served: usize,
    /// Microseconds.
    pub times: Histogram<u64>,
}

/// How long after the end the last answers are waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// A minute in microseconds: no answer takes as long.
const MAX_MICROS: u64 = 60_000_000;

impl Load {
    /// Sends what `request` gives for a connection's number and how many requests that connection has sent before.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub fn run(&self, mut request: impl FnMut(usize, u64) -> String) -> io::Result<Answers> {
        let mut poll = Poll::new()?;
        let mut answers = Answers::new();
        let mut connections = Vec::new();
        for number in 0..self.clients.count {
            let stream = open(self.server, number, poll.registry())?;
            connections.push(Connection::new(stream));
        }
        let end = Instant::now() + self.time;
        for (number, connection) in connections.iter_mut().enumerate() {
            connection.send(&request(number, 0));
        }
        let (mut waiting, mut events) = (self.clients.count, Events::with_capacity(1024));
        while waiting > 0 {
            let left = (end + PATIENCE).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let wait = if self.clients.are_awake {
                Duration::ZERO
            } else {
                left
            };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                let Token(number) = event.token();
                let connection = &mut connections[number];
                if !connection.is_asked {
                    continue;
                }
                match connection.receive() {
                    Received::Part => continue,
                    Received::Answer => answers.count(connection),
                    Received::Nothing => {
                        answers.failed += 1;
                        connection.stream = open(self.server, number, poll.registry())?;
                    }
                }
                if Instant::now() < end {
                    let text = request(number, connection.sent);
                    connection.send(&text);
                } else {
                    connection.end();
                    waiting -= 1;
                }
            }
        }
        answers.failed += waiting as u64;
        answers.served = connections.iter().filter(|one| one.is_served).count();
        Ok(answers)
    }
}

impl Answers {
    fn new() -> Self {
        Self {
            answered: 0,
            failed: 0,
            served: 0,
            times: Histogram::new_with_max(MAX_MICROS, 3).expect("the bounds are possible"),
        }
    }

    fn count(&mut self, connection: &mut Connection) {
        let elapsed = connection.last.elapsed().as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.times.saturating_record(elapsed);
        self.answered += 1;
        connection.is_served = true;
    }
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// How many requests.
    sent: u64,
    /// When the last request was sent.
    last: Instant,
    /// Whether an answer is waited for.
    is_asked: bool,
    /// Whether there was one.
    is_served: bool,
}

enum Received {
    Part,
    Answer,
    /// The connection has ended, or what came is no answer.
    Nothing,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            answer: Vec::new(),
            sent: 0,
            last: Instant::now(),
            is_asked: false,
            is_served: false,
        }
    }

    fn send(&mut self, request: &str) {
        self.answer.clear();
        self.sent += 1;
        self.is_asked = true;
        self.last = Instant::now();
        // A request fits into the socket. That the other side has gone shows when the answer is read.
        _ = self.stream.write_all(request.as_bytes());
    }

    /// A server with fewer places than there are connections has one for another then.
    fn end(&mut self) {
        self.is_asked = false;
        _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Reads until the answer is whole: nothing comes after it.
    fn receive(&mut self) -> Received {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Received::Nothing,
                Ok(length) => self.answer.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::Part,
                Err(_) => return Received::Nothing,
            }
            if self.answer.ends_with(b"\n\n") {
                return if self.answer.starts_with(b"action=") {
                    Received::Answer
                } else {
                    Received::Nothing
                };
            }
        }
    }
}

fn open(server: SocketAddr, number: usize, registry: &Registry) -> io::Result<TcpStream> {
    let stream = net::TcpStream::connect(server)?;
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, Token(number), Interest::READABLE)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
        time::Duration,
    };

    use super::{Clients, Load};

    #[test]
    fn what_is_closed_instead_of_an_answer_is_counted_and_the_load_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        thread::spawn(move || {
            // Each connection has two answers, the second in two parts.
            for client in listener.incoming() {
                let mut client = client.unwrap();
                thread::spawn(move || {
                    for parts in [
                        &[&b"action=DUNNO\n\n"[..]][..],
                        &[b"action=", b"OK\n\n"],
                        &[],
                    ] {
                        let read = client.read(&mut [0; 64]).unwrap_or(0);
                        for part in parts.iter().filter(|_| read > 0) {
                            client.write_all(part).unwrap();
                        }
                    }
                });
            }
        });
        for are_awake in [false, true] {
            let load = Load {
                server,
                clients: Clients {
                    count: 2,
                    are_awake,
                },
                time: Duration::from_millis(50),
            };
            let mut asked = [0; 2];
            let answers = load.run(|number, count| {
                assert_eq!(count, asked[number]);
                asked[number] += 1;
                "request=smtpd_access_policy\n\n".to_owned()
            });
            let answers = answers.unwrap();
            assert_eq!(answers.served, 2);
            assert!(answers.failed > 0);
            assert_eq!(answers.answered + answers.failed, asked.iter().sum::<u64>());
            assert_eq!(answers.times.len(), answers.answered);
        }
    }
}
