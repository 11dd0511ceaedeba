//! A lock on the directory of a socket, so that one start at a time looks at what is there and binds.

use std::{os::fd::OwnedFd, thread};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, openat},
    io::Errno,
};

use super::reached::{PAUSE, TRIES};

/// Locks it until the result is dropped. Any user who can read the directory can hold the lock, so the wait is bounded.
pub(super) fn lock(directory: &OwnedFd) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(directory, ".", flags, Mode::empty()).ok()?;
    for _ in 0..TRIES {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(PAUSE),
            Err(_) => return None,
        }
    }
    None
}
