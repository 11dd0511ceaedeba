//! Sockets from other processes. What is not kept of them is closed by a thread that serves nobody, and not before the
//! privileges of the start are given up.
//!
//! Closing a received descriptor can take as long as its sender wants, and so can closing a connection in which one lies
//! unread. Meanwhile no process can become another user, since each of its threads has to take part in that.

use std::{
    io,
    os::fd::{OwnedFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use policy_socket::close_apart;
use socket2::Socket;

/// A socket from another process, which is closed apart unless it is kept.
#[derive(Debug)]
pub struct ReceivedSocket(Option<Socket>);

impl ReceivedSocket {
    /// The socket, to be looked at.
    ///
    /// # Errors
    ///
    /// None in practice: the socket goes with the value only.
    pub fn get(&self) -> io::Result<&Socket> {
        self.0.as_ref().ok_or_else(gone)
    }

    /// The socket is the expected one: its new owner closes it like any other.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn keep(mut self) -> io::Result<Socket> {
        self.0.take().ok_or_else(gone)
    }
}

impl From<Socket> for ReceivedSocket {
    fn from(socket: Socket) -> Self {
        Self(Some(socket))
    }
}

impl From<OwnedFd> for ReceivedSocket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Some(descriptor.into()))
    }
}

impl Drop for ReceivedSocket {
    fn drop(&mut self) {
        close(self.0.take().map(OwnedFd::from));
    }
}

/// Closes descriptors apart, as soon as that may be.
pub(crate) fn close(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut deferred = deferred();
    match &mut *deferred {
        Some(deferred) => deferred.extend(descriptors),
        None => {
            drop(deferred);
            close_apart(descriptors);
        }
    }
}

/// The privileges are given up: closes the descriptors that have waited, and those with these numbers, which no other
/// part of the process may know. From now on descriptors are closed at once.
pub(crate) fn stop_deferring(numbers: Vec<RawFd>) {
    if let Some(waited) = deferred().take() {
        close_apart(waited);
    }
    if numbers.is_empty() {
        return;
    }
    let close_all = move || {
        for number in numbers {
            _ = nix::unistd::close(number);
        }
    };
    // Without the thread they stay open.
    _ = thread::Builder::new()
        .name("disposal".to_owned())
        .spawn(close_all);
}

/// Descriptors that wait for [`stop_deferring`]; `None` after that.
static DEFERRED: Mutex<Option<Vec<OwnedFd>>> = Mutex::new(Some(Vec::new()));

fn deferred() -> MutexGuard<'static, Option<Vec<OwnedFd>>> {
    // No holder of the lock can panic half-way.
    DEFERRED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
