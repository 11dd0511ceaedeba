//! Closes descriptors that a peer has sent, on threads that serve nobody.
//!
//! Any process that may connect over a UNIX socket can send descriptors (SCM_RIGHTS), also where none is expected. The
//! last one to close a file may have to wait for as long as the file's owner wants: a TCP socket lingers for data that
//! nobody reads, and a file system in user space does not answer. A descriptor that lies unread in a closed socket is
//! no different. A few threads therefore close such descriptors, and never a worker.

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

/// Closes descriptors that another process has sent, on a thread of its own.
///
/// ```
/// use policy_socket::close_apart;
///
/// let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
/// close_apart([near.into()]);
/// // The read ends when the descriptor has been closed.
/// assert_eq!(std::io::Read::read(&mut far, &mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn close_apart(descriptors: impl IntoIterator<Item = OwnedFd>) {
    enqueue(descriptors.into_iter().map(Unwanted::Sent));
}

/// Closes a UNIX socket: on a thread of its own if something lies in it unread.
pub fn close_unix(socket: OwnedFd) {
    if may_hold_descriptors(&socket) {
        close_apart([socket]);
    }
}

/// Closes a UNIX socket of which a runtime still has a part: on a thread of its own, once that is the only owner, if
/// something lies in the socket unread. The other owners are to drop it soon.
pub fn close_shared(socket: Arc<OwnedFd>) {
    if may_hold_descriptors(&socket) {
        enqueue([Unwanted::Shared(socket)]);
    }
}

#[derive(Debug)]
enum Unwanted {
    Sent(OwnedFd),
    Shared(Arc<OwnedFd>),
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

fn may_hold_descriptors(socket: &OwnedFd) -> bool {
    // From here on nothing more can be sent to it.
    let is_shut = shutdown(socket, Shutdown::Read).is_ok();
    !is_shut || ioctl_fionread(socket) != Ok(0)
}

fn enqueue(unwanted: impl IntoIterator<Item = Unwanted>) {
    let mut disposal = disposal();
    disposal.queue.extend(unwanted);
    if disposal.queue.is_empty() || disposal.threads == MAX_THREADS {
        return;
    }
    disposal.threads += 1;
    drop(disposal);
    let thread = thread::Builder::new().name("disposal".to_owned());
    if thread.spawn(close_all).is_err() {
        // The descriptors stay until the next ones come.
        self::disposal().threads -= 1;
    }
}

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
            // The call fails for a descriptor that is no socket.
            Some(Unwanted::Sent(descriptor)) => _ = set_socket_linger(&descriptor, None),
            Some(Unwanted::Shared(socket)) => {
                while Arc::strong_count(&socket) > 1 {
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}

fn disposal() -> MutexGuard<'static, Disposal> {
    // No holder of the lock can panic half-way.
    DISPOSAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some threads may wait for a file's owner while another one goes on.
const MAX_THREADS: usize = 4;
/// Between two looks whether a runtime has let go of a socket.
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn a_shared_socket_is_closed_when_its_other_owner_has_let_go() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"unread").unwrap();
        let socket = Arc::new(OwnedFd::from(near));
        close_shared(Arc::clone(&socket));
        far.set_nonblocking(true).unwrap();
        assert!(Arc::strong_count(&socket) > 1, "the other owner has it");
        far.set_nonblocking(false).unwrap();
        drop(socket);
        assert!(matches!(far.read(&mut [0]), Ok(0) | Err(_)));
    }
}
