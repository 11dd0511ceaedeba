//! Sockets that other processes have made or filled: whatever is not kept of them is closed by a thread that serves
//! nobody, and not before the rights of the start are given up.
//!
//! To close a descriptor may take as long as who has made it wants, and so may that of a connection in which
//! one lies unread. Meanwhile no process can become another user, since each of its threads has to take part in that.

use std::{
    io,
    os::fd::{OwnedFd, RawFd},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use policy_socket::close_apart;
use socket2::Socket;

/// A socket that is closed apart unless it is kept.
#[derive(Debug)]
pub struct Apart(Option<Socket>);

impl Apart {
    /// The socket, as long as it is here.
    pub fn get(&self) -> io::Result<&Socket> {
        // It goes with the value only.
        self.0.as_ref().ok_or_else(gone)
    }

    /// It is what it should be: who has it closes it like any other.
    pub fn keep(mut self) -> io::Result<Socket> {
        self.0.take().ok_or_else(gone)
    }
}

impl From<Socket> for Apart {
    fn from(socket: Socket) -> Self {
        Self(Some(socket))
    }
}

impl From<OwnedFd> for Apart {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Some(descriptor.into()))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        close(self.0.take().map(OwnedFd::from));
    }
}

/// Has them closed apart.
pub(crate) fn close(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut waiting = waiting();
    match &mut *waiting {
        Some(waiting) => waiting.extend(descriptors),
        None => {
            drop(waiting);
            close_apart(descriptors);
        }
    }
}

/// From now on they are closed at once, as are those that have waited, and what has these numbers: nobody else may know
/// them.
pub(crate) fn begin(numbers: Vec<RawFd>) {
    if let Some(waited) = waiting().take() {
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
    // Without the thread they stay as they are.
    _ = thread::Builder::new()
        .name("disposal".to_owned())
        .spawn(close_all);
}

/// Those that wait for [`begin`]; nothing once that has been.
static WAITING: Mutex<Option<Vec<OwnedFd>>> = Mutex::new(Some(Vec::new()));

fn waiting() -> MutexGuard<'static, Option<Vec<OwnedFd>>> {
    // Nothing that holds the lock can panic half-way.
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
