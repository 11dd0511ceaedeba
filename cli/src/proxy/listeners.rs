//! The listening sockets of a worker, and a pause when the system gives no connection.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use mio::{Interest, Registry, net::TcpListener, net::UnixListener};
use policy_socket::refuse_rights;
use rustix::{io::ioctl_fionbio, net::sockopt::set_socket_linger};

use crate::{
    daemon::{listen::socket::Bound, worker::admission::Door},
    proxy::token,
};

/// The listening sockets of a worker.
#[derive(Debug)]
pub(crate) struct Listeners {
    all: Vec<Listener>,
    /// Whose turn is next.
    turn: usize,
    /// After an error nothing is accepted until then.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Listener {
    socket: Socket,
    door: Door,
    /// Another process may change what is set for it.
    was_adopted: bool,
    /// A connection may be waiting: the system tells of it once.
    ready: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// What has come of accepting.
#[derive(Debug)]
pub(crate) enum Accepted {
    Connection(OwnedFd, Door),
    Failed(io::Error),
}

impl Listeners {
    pub(crate) fn new(sockets: &[Bound], registry: &Registry) -> io::Result<Self> {
        let mut all = Vec::new();
        for (index, bound) in sockets.iter().enumerate() {
            let door = match bound.is_local()? {
                true => Door::Local,
                false => Door::Open,
            };
            let listener: OwnedFd = bound.listener()?.into();
            let token = token::listener(index);
            if matches!(bound.asked(), policy_socket::Endpoint::Unix(_)) {
                refuse_rights(&listener);
            }
            let socket = match bound.asked() {
                policy_socket::Endpoint::Inet { .. } => {
                    let mut listener = TcpListener::from_std(listener.into());
                    registry.register(&mut listener, token, Interest::READABLE)?;
                    Socket::Tcp(listener)
                }
                policy_socket::Endpoint::Unix(_) => {
                    let mut listener = UnixListener::from_std(listener.into());
                    registry.register(&mut listener, token, Interest::READABLE)?;
                    Socket::Unix(listener)
                }
            };
            all.push(Listener {
                socket,
                door,
                was_adopted: bound.was_adopted(),
                ready: false,
            });
        }
        Ok(Self {
            all,
            turn: 0,
            paused_until: None,
        })
    }

    /// Connections wait at this one.
    pub(crate) fn heard(&mut self, index: usize) {
        if let Some(listener) = self.all.get_mut(index) {
            listener.ready = true;
        }
    }

    /// When the next connections are to be accepted without a word of the system's: at once, or after a pause.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let is_ready = self.all.iter().any(|listener| listener.ready);
        is_ready.then(|| self.paused_until.unwrap_or(now))
    }

    /// The next connection, if one waits. After a failure there is a pause: descriptors have run out, as a rule.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<Accepted> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        // Each has its turn, however many come to one of them.
        let ready = |index: &usize| self.all.get(*index).is_some_and(|listener| listener.ready);
        let mut turns = (self.turn..self.all.len()).chain(0..self.turn);
        let index = turns.find(ready)?;
        self.turn = (index + 1) % self.all.len().max(1);
        let listener = self.all.get_mut(index)?;
        loop {
            match listener.accept() {
                Ok(connection) => return Some(Accepted::Connection(connection, listener.door)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        listener.ready = false;
                        return self.accept_next(now);
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        self.paused_until = now.checked_add(PAUSE);
                        return Some(Accepted::Failed(error));
                    }
                },
            }
        }
    }

    fn accept_next(&mut self, now: Instant) -> Option<Accepted> {
        // There is one fewer that is ready.
        self.accept(now)
    }

    /// Nothing more is accepted.
    pub(crate) fn end(&mut self, registry: &Registry) {
        for listener in &mut self.all {
            // Another descriptor of the socket is still open.
            _ = match &mut listener.socket {
                Socket::Tcp(socket) => registry.deregister(socket),
                Socket::Unix(socket) => registry.deregister(socket),
            };
        }
        self.all.clear();
        self.turn = 0;
    }
}

impl Listener {
    fn accept(&self) -> io::Result<OwnedFd> {
        if !self.was_adopted {
            return self.accept_one();
        }
        // The process that had it could have this one wait here, and for each connection that is closed.
        ioctl_fionbio(self.socket.as_fd(), true)?;
        let connection = self.accept_one()?;
        _ = set_socket_linger(&connection, None);
        Ok(connection)
    }

    fn accept_one(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (connection, _) = socket.accept()?;
                // A reply is one write: there is nothing to gather. It fails where the client has gone already, as
                // its first read will tell.
                _ = connection.set_nodelay(true);
                Ok(connection.into())
            }
            Socket::Unix(socket) => socket.accept().map(|(connection, _)| connection.into()),
        }
    }
}

/// How long accepting pauses after an error.
const PAUSE: Duration = Duration::from_millis(100);
