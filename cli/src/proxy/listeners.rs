//! The listening sockets of a worker, and a pause when the system gives no connection.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use mio::{Interest, Registry, unix::SourceFd};
use policy_daemon::worker::{Listener, Origin};

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
    /// A connection may be waiting: the system tells of it once.
    ready: bool,
}

/// The result of accepting.
#[derive(Debug)]
pub(crate) enum Accepted {
    Connection(OwnedFd, Origin),
    Failed(io::Error),
}

impl Listeners {
    pub(crate) fn new(listeners: Vec<Listener>, registry: &Registry) -> io::Result<Self> {
        let mut all = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let descriptor = listener.as_fd().as_raw_fd();
            let token = socket::listener(index);
            registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
            let ready = false;
            all.push(Entry { listener, ready });
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
                Ok(connection) => {
                    let origin = entry.listener.origin();
                    self.turn = (index + 1) % self.all.len().max(1);
                    return Some(Accepted::Connection(connection, origin));
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
        registry: &Registry,
    ) -> io::Result<()> {
        let next = Self::new(listeners, registry)?;
        self.end(registry);
        *self = next;
        Ok(())
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

/// The pause after an error of accepting.
const PAUSE: Duration = Duration::from_millis(100);
