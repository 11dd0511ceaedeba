//! Messages to the service manager (`Type=notify`): sd_notify(3).

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pipe::{PipeFlags, pipe_with},
    time::{ClockId, clock_gettime},
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::fd_passing;
use crate::log::{Level, Log};

/// Sends a message, if there is a manager. It may wait 3 s for a manager that does not read: not to be called where
/// requests are served.
pub(crate) fn notify(log: &Log, message: &str) {
    if let Err(error) = send(message, &[]) {
        let text = format!("cannot notify the service manager: {error}");
        log.line(Level::Warning, text);
    }
}

/// Announces that another process is about to continue the work of this one.
pub(crate) fn reloading(log: &Log) {
    let now = clock_gettime(ClockId::Monotonic);
    let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    notify(log, &format!("RELOADING=1\nMONOTONIC_USEC={now}"));
}

/// Sends a message on a thread of its own, which can be waited for.
pub(crate) fn notify_apart(log: &Log, message: impl Into<String>) -> io::Result<JoinHandle<()>> {
    let (log, message) = (log.clone(), message.into());
    let thread = thread::Builder::new().name("notify".to_owned());
    thread.spawn(move || notify(&log, &message))
}

/// Has the manager keep connections for the next process of this service.
pub(crate) fn store(connections: &[OwnedFd]) -> io::Result<()> {
    let connections: Vec<BorrowedFd<'_>> = connections.iter().map(AsFd::as_fd).collect();
    send(&format!("FDSTORE=1\nFDNAME={STORED_NAME}"), &connections)
}

/// Has the manager close its own descriptors of the connections that it stored, now that this process has them: as long
/// as the manager has one, a closed connection does not end for its client. `others` are the names of further entries.
pub(crate) fn empty_store(log: &Log, others: &[String]) {
    let others = others.iter().map(String::as_str);
    for name in [STORED_NAME].into_iter().chain(others) {
        notify(log, &format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }
}

/// Waits until the manager has read all messages: it looks up the process that sent one, and would not find a process
/// that has ended.
pub(crate) fn wait_until_read() -> io::Result<()> {
    let (near, far) = pipe_with(PipeFlags::CLOEXEC)?;
    send("BARRIER=1", &[far.as_fd()])?;
    drop(far);
    poll(
        &mut [PollFd::new(&near, PollFlags::empty())],
        Some(&BARRIER_TIMEOUT),
    )?;
    Ok(())
}

/// Whether there is a manager to talk to.
pub(crate) fn has_manager() -> bool {
    env::var_os(NOTIFY_SOCKET).is_some()
}

/// Whether systemd is this machine's init: sd_booted(3).
pub(crate) fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn send(message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os(NOTIFY_SOCKET) else {
        return Ok(());
    };
    let mut path = path.into_vec();
    if let Some(first) = path.first_mut().filter(|first| **first == b'@') {
        *first = 0; // an abstract address
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect(&SockAddr::unix(OsStr::from_bytes(&path))?)?;
    fd_passing::send(&socket, message.as_bytes(), descriptors)
}

/// The name of connections in the manager's store.
pub(crate) const STORED_NAME: &str = "client";
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// As in systemd's own library; a manager reads within milliseconds.
const BARRIER_TIMEOUT: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};
