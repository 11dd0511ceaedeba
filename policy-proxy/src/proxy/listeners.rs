//! The listening sockets of a worker, and a pause when the system gives no connection.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use mio::{Interest, Registry, unix::SourceFd};
use policy_daemon::worker::{Listener, Origin};
use policy_socket::{Endpoint, Peer};
use socket2::{SockAddr, SockRef};

use crate::proxy::socket;

/// The listening sockets of a worker.
#[derive(Debug)]
pub(crate) struct Listeners {
    all: Vec<Entry>,
    /// Connections may be waiting at one of them.
    is_ready: bool,
    /// The one that is next.
    turn: usize,
    /// After an error nothing is accepted until then.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    listener: Listener,
    /// The number of its rules: 0 if it has none of its own.
    number: u16,
    /// A connection may be waiting: the system tells of it once.
    ready: bool,
}

/// The result of accepting.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// With the number of the rules for its listener.
    Connection(OwnedFd, Peer, Origin, u16),
    Failed(io::Error),
}

impl Listeners {
    /// With the numbers of the rules for each.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        number: impl Fn(&Endpoint) -> u16,
        registry: &Registry,
    ) -> io::Result<Self> {
        let mut all = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let descriptor = listener.as_fd().as_raw_fd();
            let token = socket::listener(index);
            registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
            all.push(Entry {
                number: number(listener.requested()),
                listener,
                ready: false,
            });
        }
        Ok(Self {
            all,
            is_ready: false,
            turn: 0,
            paused_until: None,
        })
    }

    /// Connections wait at this one.
    pub(crate) fn heard(&mut self, index: usize) {
        if let Some(entry) = self.all.get_mut(index) {
            entry.ready = true;
            self.is_ready = true;
        }
    }

    /// The time of the next attempt to accept without an event: at once, or after a pause.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        self.is_ready.then(|| self.paused_until.unwrap_or(now))
    }

    /// Whether connections may be waiting.
    pub(crate) const fn has_ready(&self) -> bool {
        self.is_ready
    }

    /// The next connection, if one waits. After a failure there is a pause: descriptors have run out, as a rule.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<Accepted> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        loop {
            // Each has its turn, however many come to one of them.
            let ready = |index: &usize| self.all.get(*index).is_some_and(|entry| entry.ready);
            let mut turns = (self.turn..self.all.len()).chain(0..self.turn);
            let Some(index) = turns.find(ready) else {
                self.is_ready = false;
                return None;
            };
            let entry = self.all.get_mut(index)?;
            match entry.listener.accept() {
                Ok((connection, peer)) => {
                    let (origin, number) = (entry.listener.origin(), entry.number);
                    self.turn = (index + 1) % self.all.len().max(1);
                    return Some(Accepted::Connection(connection, peer, origin, number));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => entry.ready = false,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        self.turn = (index + 1) % self.all.len().max(1);
                        self.paused_until = now.checked_add(PAUSE);
                        return Some(Accepted::Failed(error));
                    }
                },
            }
        }
    }

    /// Connections may be waiting, though the system has not told of them.
    pub(crate) fn look(&mut self) {
        for entry in &mut self.all {
            entry.ready = true;
        }
        self.is_ready = !self.all.is_empty();
    }

    /// Goes on with these, and no others.
    pub(crate) fn exchange(
        &mut self,
        listeners: Vec<Listener>,
        number: impl Fn(&Endpoint) -> u16,
        registry: &Registry,
    ) -> io::Result<()> {
        let next = Self::new(listeners, number, registry)?;
        self.end(registry);
        *self = next;
        Ok(())
    }

    /// Other rules hold from now on.
    pub(crate) fn renumber(&mut self, number: impl Fn(&Endpoint) -> u16) {
        for entry in &mut self.all {
            entry.number = number(entry.listener.requested());
        }
    }

    /// The number of the rules for a connection that another worker or process has accepted: those of the listener at whose
    /// address it is.
    pub(crate) fn number_of(&self, connection: &OwnedFd) -> u16 {
        let mut named = self.all.iter().filter(|entry| entry.number > 0).peekable();
        if named.peek().is_none() {
            return 0;
        }
        let Ok(address) = SockRef::from(connection).local_addr() else {
            return 0;
        };
        let is_there = |entry: &&Entry| {
            let listener = SockRef::from(&entry.listener).local_addr();
            listener.is_ok_and(|listener| is_at(&listener, &address))
        };
        named.find(is_there).map_or(0, |entry| entry.number)
    }

    /// Nothing more is accepted.
    pub(crate) fn end(&mut self, registry: &Registry) {
        for entry in &self.all {
            // Another descriptor of the socket is still open.
            let descriptor = entry.listener.as_fd().as_raw_fd();
            _ = registry.deregister(&mut SourceFd(&descriptor));
        }
        self.all.clear();
        self.is_ready = false;
        self.turn = 0;
    }
}

/// Whether a connection at this address was made to this listener.
fn is_at(listener: &SockAddr, connection: &SockAddr) -> bool {
    match (listener.as_socket(), connection.as_socket()) {
        (Some(listener), Some(connection)) => {
            let (own, other) = (listener.ip().to_canonical(), connection.ip().to_canonical());
            listener.port() == connection.port() && (own.is_unspecified() || own == other)
        }
        (None, None) => {
            let path = listener.as_pathname();
            path.is_some() && path == connection.as_pathname()
        }
        _ => false,
    }
}

/// The pause after an error of accepting.
const PAUSE: Duration = Duration::from_millis(100);
