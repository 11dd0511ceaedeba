//! Closes descriptors where it holds nobody up: those that a peer has sent over a UNIX socket.
//!
//! Nobody has asked for them, but any process that may connect can send them (SCM_RIGHTS). The last one to close a file
//! may have to wait for as long as its owner wants: a TCP socket lingers for what nobody reads, a file system in user
//! space does not answer. That is so also where a descriptor lies unread in a socket that is closed. So such
//! descriptors are closed by threads of their own, a few at most, and never by a worker.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::{
    io::ioctl_fionread,
    net::{Shutdown, shutdown, sockopt::set_socket_linger},
};

/// Closes descriptors that another process has sent, on a thread of its own.
pub(crate) fn close_apart(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut disposal = disposal();
    disposal.queue.extend(descriptors);
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

/// Closes a UNIX socket: on a thread of its own if something lies in it.
pub(crate) fn close_unix(socket: OwnedFd) {
    // From here on nothing more can be sent to it.
    let is_shut = shutdown(&socket, Shutdown::Read).is_ok();
    if !is_shut || ioctl_fionread(&socket) != Ok(0) {
        close_apart([socket]);
    }
}

#[derive(Debug)]
struct Disposal {
    queue: VecDeque<OwnedFd>,
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
            // It fails for what is no socket.
            Some(descriptor) => _ = set_socket_linger(&descriptor, None),
        }
    }
}

/// A few that can wait for a file's owner, if somebody goes to that trouble.
const MAX_THREADS: usize = 4;
