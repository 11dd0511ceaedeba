//! The system's events, and the wait for them.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    time::Duration,
};

use mio::{Events, Interest, Poll, Registry, event::Event, unix::SourceFd};

use crate::proxy::{message::Inbox, socket::INBOX};

/// The system's poll, with the events that it has told of last.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    /// As many events as are told of at a time.
    capacity: usize,
}

impl Poller {
    /// A poll that tells of this inbox, and the registry of what else it is to tell of.
    pub(crate) fn new(capacity: usize, inbox: &Inbox) -> io::Result<(Self, Arc<Registry>)> {
        let poll = Poll::new()?;
        let registry = Arc::new(poll.registry().try_clone()?);
        let descriptor = inbox.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&descriptor), INBOX, Interest::READABLE)?;
        let events = Events::with_capacity(capacity);
        let poller = Self {
            poll,
            events,
            capacity,
        };
        Ok((poller, registry))
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Asks the system what has happened: whether that was all.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(self.events.iter().count() < self.capacity),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The events of the last wait.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// Forgets these events, which have been reported.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }
}
