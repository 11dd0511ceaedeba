//! The policy server behind everything: it answers as fast as can be, so that it is never what is
//! measured. A process of its own, one thread, two sockets: two servers to those in front.

use std::{
    error::Error,
    io::{self, Read},
    net::TcpListener,
    os::unix::net::UnixListener,
    thread,
};

use mio::{Events, Interest, Poll, Token, event::Source, net};

use policy_benches::endpoint::Endpoint;

use crate::stream::Stream;

/// 20 bytes, as answers are.
pub(crate) const ANSWER: &[u8] = b"action=DUNNO stub1\n\n";

enum Listener {
    Tcp(net::TcpListener),
    Unix(net::UnixListener),
}

struct Client {
    stream: Stream,
    /// Whether the last byte that has been read ended a line.
    at_line: bool,
}

/// Serves until standard input ends, which it does with the process that started this one.
pub(crate) fn run(endpoints: &[Endpoint]) -> Result<(), Box<dyn Error>> {
    thread::spawn(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let mut poll = Poll::new()?;
    let mut listeners = Vec::new();
    for (token, endpoint) in endpoints.iter().enumerate() {
        let mut listener = Listener::bind(endpoint)?;
        poll.registry()
            .register(listener.source(), Token(token), Interest::READABLE)?;
        listeners.push(listener);
    }
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; 16 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(token) = event.token();
            if let Some(listener) = listeners.get(token) {
                while let Some(mut stream) = listener.accept()? {
                    let place = free.pop().unwrap_or_else(|| {
                        clients.push(None);
                        clients.len() - 1
                    });
                    stream.register(poll.registry(), listeners.len() + place)?;
                    clients[place] = Some(Client {
                        stream,
                        at_line: false,
                    });
                }
                continue;
            }
            let place = token - listeners.len();
            if let Some(client) = &mut clients[place]
                && !client.turn(&mut buffer)
            {
                clients[place] = None;
                free.push(place);
            }
        }
    }
}

impl Listener {
    fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                rustix::net::listen(&listener, BACKLOG)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(net::TcpListener::from_std(listener)))
            }
            Endpoint::Unix(path) => {
                let listener = UnixListener::bind(path)?;
                rustix::net::listen(&listener, BACKLOG)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(net::UnixListener::from_std(listener)))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }

    /// The next client, if one waits.
    fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match self {
            Self::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Client {
    /// Reads what is there, and answers if that ends a request; whether the client is still there.
    fn turn(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            let whole = read.ends_with(b"\n\n") || (self.at_line && read == b"\n");
            self.at_line = read.ends_with(b"\n");
            if whole {
                // Nothing more can be there: a client waits for its answer.
                return self.stream.write_all(ANSWER).is_ok();
            }
        }
    }
}

/// More than all the clients that come at once.
const BACKLOG: i32 = 4096;
