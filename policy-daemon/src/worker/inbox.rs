//! The inbox of a thread: everything that other threads tell it arrives there, with one descriptor to wait for.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::Errno,
};

/// A message to a worker. `M` are the messages of its service: new settings, an answer that another thread has found.
#[derive(Debug)]
pub enum Message<M> {
    /// A connection that is to be served.
    Connection(Transfer),
    /// Accept nothing more. Requests in progress have this time; connections between two requests are handed off.
    Drain(Duration),
    /// End at once.
    Shutdown,
    /// A message of the service.
    Service(M),
}

/// A connection on its way to a worker.
#[derive(Debug)]
pub struct Transfer {
    /// The connected socket, which does not block.
    pub connection: OwnedFd,
    /// The number of workers that have had no place for it.
    pub refusals: usize,
    /// The process that has accepted it.
    pub made_by: MadeBy,
}

/// The process that has accepted or opened a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MadeBy {
    /// This process, and no other one has had it.
    ThisProcess,
    /// Another process, which may still have it, and may have changed any of its settings.
    OtherProcess,
}

/// Messages for one thread, from any number of threads.
///
/// Its descriptor becomes readable each time that a message comes into the empty inbox. An event loop that is told of
/// changes (epoll's edge-triggered mode, as in mio and tokio) need not read it; one that is told of states calls
/// [`clear`](Self::clear).
///
/// ```
/// use policy_daemon::worker::Inbox;
///
/// let inbox = Inbox::new()?;
/// inbox.send("settings");
/// inbox.send("drain");
/// let mut messages = Vec::new();
/// inbox.take(&mut messages);
/// assert_eq!(messages, ["settings", "drain"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Inbox<T> {
    messages: Mutex<Vec<T>>,
    event: OwnedFd,
}

impl<T> Inbox<T> {
    /// An empty inbox.
    ///
    /// # Errors
    ///
    /// Errors of the system: descriptors have run out.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::default(),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Puts a message in, and wakes the thread that waits.
    pub fn send(&self, message: T) {
        let mut messages = self.messages();
        let is_first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if is_first {
            self.wake();
        }
    }

    /// Swaps the messages with an empty list, in the order in which they came.
    pub fn take(&self, list: &mut Vec<T>) {
        mem::swap(&mut *self.messages(), list);
    }

    /// Makes the descriptor unreadable until the next message comes into the empty inbox. To be called before
    /// [`take`](Self::take).
    pub fn clear(&self) {
        // It fails where nothing has come.
        _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    fn wake(&self) {
        let write = || rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        if write() == Err(Errno::AGAIN) {
            // The counter is full, which takes longer than a machine lives: it starts again.
            self.clear();
            _ = write();
        }
    }

    fn messages(&self) -> MutexGuard<'_, Vec<T>> {
        // No holder of the lock can panic half-way.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for Inbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl<T> AsRawFd for Inbox<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(inbox: &Inbox<u8>) -> bool {
        let mut watched = [PollFd::new(inbox, PollFlags::IN)];
        let at_once = Timespec::default();
        poll(&mut watched, Some(&at_once)).unwrap() > 0
    }

    #[test]
    fn the_descriptor_tells_of_the_first_message_until_it_is_cleared() {
        let inbox = Inbox::new().unwrap();
        assert!(!is_readable(&inbox));
        inbox.send(1);
        inbox.send(2);
        assert!(is_readable(&inbox));
        inbox.clear();
        let mut list = Vec::new();
        inbox.take(&mut list);
        assert_eq!(list, [1, 2]);
        assert!(!is_readable(&inbox));
        inbox.send(3);
        assert!(is_readable(&inbox));
    }
}
