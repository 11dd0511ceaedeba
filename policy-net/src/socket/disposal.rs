//! Closes descriptors where it holds nobody up: those that a peer has sent over a UNIX socket.
//!
//! Nobody has asked for them, but whoever may connect can send them (SCM_RIGHTS). The last one to close a file may have
//! to wait for as long as its owner wants: a TCP socket lingers for what nobody reads, a file system in user space
//! does not answer. That is so also where a descriptor lies unread in a socket which is closed. So such descriptors are
//! taken and closed by threads of their own, a few at most, and never by a worker.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    io::ioctl_fionread,
    net::{Shutdown, shutdown, sockopt::set_socket_linger},
};

/// What is to be closed.
#[derive(Debug)]
pub(crate) enum Unwanted {
    /// A peer has sent it.
    Sent(OwnedFd),
    /// A connection over which something has come that nobody has read. It is closed once nobody else has it.
    Unread(Arc<OwnedFd>),
}

/// Closes descriptors that another process has sent, on a thread of its own: that can take as long as the other process
/// wants. To be used by servers that take descriptors over UNIX sockets themselves.
///
/// ```
/// use policy_net::close_apart;
///
/// let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
/// close_apart([near.into()]);
/// // It ends when that has been done.
/// let read = std::io::Read::read(&mut far, &mut [0])?;
/// assert_eq!(read, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn close_apart(descriptors: impl IntoIterator<Item = OwnedFd>) {
    dispose(descriptors.into_iter().map(Unwanted::Sent));
}

/// Has them closed.
pub(crate) fn dispose(unwanted: impl IntoIterator<Item = Unwanted>) {
    let mut disposal = disposal();
    disposal.queue.extend(unwanted);
    if disposal.queue.is_empty() || disposal.threads == MAX_THREADS {
        return;
    }
    disposal.threads += 1;
    drop(disposal);
    let thread = thread::Builder::new().name("disposal".to_owned());
    if thread.spawn(close_all).is_err() {
        // They stay until the next ones come.
        self::disposal().threads -= 1;
    }
}

/// A connection that is not to be closed by a worker as long as something lies in it.
#[derive(Debug)]
pub(crate) struct Connected {
    /// Nothing once it has been taken.
    socket: Option<Arc<OwnedFd>>,
    /// The peer has ended its side, and all has been read: nothing can come any more.
    pub(crate) is_read: bool,
}

impl Connected {
    pub(crate) fn new(socket: Arc<OwnedFd>) -> Self {
        Self {
            socket: Some(socket),
            is_read: false,
        }
    }

    /// The socket, which somebody else closes.
    pub(crate) fn take(mut self) -> Option<OwnedFd> {
        let socket = self.socket.take()?;
        match Arc::try_unwrap(socket) {
            Ok(socket) => Some(socket),
            Err(shared) => shared.try_clone().ok(),
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take().filter(|_| !self.is_read) else {
            return;
        };
        // From here on nothing more can be sent to it.
        let is_shut = shutdown(&socket, Shutdown::Read).is_ok();
        if !is_shut || ioctl_fionread(&socket) != Ok(0) {
            dispose([Unwanted::Unread(socket)]);
        }
    }
}

#[derive(Debug)]
struct Disposal {
    queue: VecDeque<Unwanted>,
    threads: usize,
}

static DISPOSAL: Mutex<Disposal> = Mutex::new(Disposal {
    queue: VecDeque::new(),
    threads: 0,
});

fn disposal() -> MutexGuard<'static, Disposal> {
    // Nothing that holds the lock can panic half-way.
    DISPOSAL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this thread is there to wait, and serves nobody"
)]
fn close_all() {
    loop {
        let next = {
            let mut disposal = disposal();
            let next = disposal.queue.pop_front();
            if next.is_none() {
                disposal.threads -= 1;
            }
            next
        };
        match next {
            None => return,
            Some(Unwanted::Sent(descriptor)) => {
                // It fails for what is no socket.
                _ = set_socket_linger(&descriptor, None);
            }
            Some(Unwanted::Unread(socket)) => {
                // Its worker is about to let go of it.
                while Arc::strong_count(&socket) > 1 {
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}

/// A few that can wait for a file's owner, if somebody goes to that trouble.
const MAX_THREADS: usize = 4;
const PAUSE: Duration = Duration::from_millis(1);
