//! The policy server behind everything: one thread, as fast as can be, so that it is never what is measured.

use std::{
    borrow::Cow,
    io::{self, Read, Write},
    net::Shutdown,
    os::fd::AsRawFd,
    process, thread,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use socket2::Socket;

use crate::endpoint::Endpoint;

/// An answer of 20 bytes.
pub const ANSWER: &[u8] = b"action=DUNNO stub1\n\n";
/// The action in it.
pub const ACTION: &str = "DUNNO stub1";

/// What is done with a request.
#[derive(Debug)]
pub enum Reply {
    /// The answer, at once.
    Now(Cow<'static, [u8]>),
    /// Each piece after its delay, and an end of the connection after them.
    Later(Vec<(Duration, Vec<u8>)>, End),
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// It stays.
    Keep,
    /// It is closed.
    Close,
}

/// Serves until standard input ends, which it does with the process that started this one. Several endpoints are
/// as many servers to those in front.
pub fn run(endpoints: &[Endpoint], reply: impl FnMut(&[u8]) -> Reply) -> io::Result<()> {
    thread::spawn(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    let listeners: io::Result<Vec<_>> = endpoints.iter().map(Endpoint::listen).collect();
    serve(&listeners?, reply)
}

/// Serves the clients of these listeners without an end.
pub fn serve(listeners: &[Socket], mut reply: impl FnMut(&[u8]) -> Reply) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let register = |socket: &Socket, token| {
        socket.set_nonblocking(true)?;
        let fd = socket.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
    };
    for (token, listener) in listeners.iter().enumerate() {
        register(listener, token)?;
    }
    let registry = poll.registry().try_clone()?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; 16 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            // It was stopped, and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            let Token(token) = event.token();
            if let Some(listener) = listeners.get(token) {
                while let Some(socket) = accept(listener)? {
                    let place = free.pop().unwrap_or_else(|| {
                        clients.push(None);
                        clients.len() - 1
                    });
                    socket.set_nonblocking(true)?;
                    let fd = socket.as_raw_fd();
                    let token = Token(listeners.len() + place);
                    registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
                    clients[place] = Some(Client {
                        socket,
                        unread: Vec::new(),
                    });
                }
                continue;
            }
            let place = token - listeners.len();
            if let Some(client) = &mut clients[place]
                && !client.turn(&mut buffer, &mut reply)
            {
                clients[place] = None;
                free.push(place);
            }
        }
    }
}

fn accept(listener: &Socket) -> io::Result<Option<Socket>> {
    match listener.accept() {
        Ok((socket, _)) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

struct Client {
    socket: Socket,
    /// The beginning of a request.
    unread: Vec<u8>,
}

impl Client {
    /// Reads what is there, and answers if that ends a request; whether the client is still there.
    fn turn(&mut self, buffer: &mut [u8], reply: &mut impl FnMut(&[u8]) -> Reply) -> bool {
        loop {
            let read = match (&self.socket).read(buffer) {
                Ok(0) => return false,
                Ok(length) => &buffer[..length],
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            };
            // Nothing more can be there after a request: a client waits for its answer.
            if self.unread.is_empty() && read.ends_with(b"\n\n") {
                return answer(&self.socket, reply(read)).is_ok();
            }
            self.unread.extend_from_slice(read);
            if self.unread.ends_with(b"\n\n") {
                let answered = answer(&self.socket, reply(&self.unread));
                self.unread.clear();
                return answered.is_ok();
            }
        }
    }
}

fn answer(mut socket: &Socket, reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Now(answer) => socket.write_all(&answer),
        Reply::Later(pieces, end) => {
            let mut socket = socket.try_clone()?;
            thread::Builder::new().spawn(move || {
                for (delay, piece) in pieces {
                    thread::sleep(delay);
                    // A client that has gone is no concern of the others.
                    _ = socket.write_all(&piece);
                }
                if end == End::Close {
                    _ = socket.shutdown(Shutdown::Both);
                }
            })?;
            Ok(())
        }
    }
}
