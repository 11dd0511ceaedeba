//! What a worker hears from other threads: all of it arrives in one place, with one wake-up.

use std::{
    io, mem,
    os::fd::OwnedFd,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use mio::{Registry, Waker};
use policy_flow::{Address, Failure, Slot};

use crate::{daemon::shutdown::Said, proxy::token::MAILBOX};

/// Something that a worker is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// A connection is to be served, for which so many workers have had no place.
    Connection(OwnedFd, usize, Made),
    /// A look-up has ended.
    Resolved(Slot, Found),
    /// Another worker has called this one: see [`Flow::woken`](policy_flow::Flow::woken).
    Wake,
    /// Something for the main thread, whose loop this is.
    Said(Said),
    /// Nothing more is to be accepted. Requests under way have so long.
    Drain(Duration),
    /// Not even those are waited for.
    End,
}

/// Who has accepted a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Made {
    /// This process, and no other one has had it.
    Here,
    /// Another process, which may still have it and may have done anything to it.
    Elsewhere,
}

/// What a look-up has found.
pub(crate) type Found = Result<Vec<Address>, Failure>;

/// Where other threads put messages for a worker.
#[derive(Debug)]
pub(crate) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    /// Connections among them.
    connections: AtomicUsize,
    waker: Waker,
}

impl Mailbox {
    /// For a worker that waits at this registry.
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::default(),
            connections: AtomicUsize::new(0),
            waker: Waker::new(registry, MAILBOX)?,
        })
    }

    /// Tells the worker this, and wakes it.
    pub(crate) fn send(&self, message: Message) {
        if matches!(message, Message::Connection(..)) {
            self.connections.fetch_add(1, Relaxed);
        }
        let mut messages = self.messages();
        let is_first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if is_first {
            // The counter behind it cannot overflow: it is read before the next message is the first again.
            _ = self.waker.wake();
        }
    }

    /// All that has come, in the place of an empty list.
    pub(crate) fn take(&self, list: &mut Vec<Message>) {
        mem::swap(&mut *self.messages(), list);
        let is_connection = |message: &&Message| matches!(message, Message::Connection(..));
        let connections = list.iter().filter(is_connection).count();
        self.connections.fetch_sub(connections, Relaxed);
    }

    /// Connections that the worker has not taken yet.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    fn messages(&self) -> MutexGuard<'_, Vec<Message>> {
        // Nothing that holds the lock can panic half-way.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
