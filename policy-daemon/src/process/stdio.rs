//! Standard input, output and error, and whether they are sockets.

use std::{io, os::fd::OwnedFd};

use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{FileType, Mode, OFlags},
    net::{AddressFamily, SocketType, sockopt},
};

/// Replaces standard error by `/dev/null` where it is the socket of standard input, as under spawn(8): any word on it
/// would be a part of the protocol.
pub fn silence_stderr() {
    if is_same_socket(rustix::stdio::stdin(), rustix::stdio::stderr())
        && let Ok(null) = rustix::fs::open("/dev/null", OFlags::WRONLY, Mode::empty())
    {
        // Where this fails, nothing is written to standard error either.
        _ = rustix::stdio::dup2_stderr(null);
    }
}

/// Whether a client is connected to standard input.
pub(crate) fn stdin_is_connection() -> bool {
    is_same_socket(rustix::stdio::stdin(), rustix::stdio::stdin())
}

/// Whether both are the same socket.
#[must_use]
pub fn is_same_socket(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let identity = |fd| {
        let stat = rustix::fs::fstat(fd).ok()?;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        is_socket.then_some((stat.st_dev, stat.st_ino))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Another descriptor of the stream socket behind `fd`, which does not block; `None` if `fd` is no stream socket.
///
/// # Errors
///
/// Errors of the system.
pub fn stream_socket(fd: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    if sockopt::socket_type(fd) != Ok(SocketType::STREAM) {
        return Ok(None);
    }
    let family = sockopt::socket_domain(fd)?;
    let families = [
        AddressFamily::UNIX,
        AddressFamily::INET,
        AddressFamily::INET6,
    ];
    if !families.contains(&family) {
        return Ok(None);
    }
    let fd: OwnedFd = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    rustix::io::ioctl_fionbio(fd.as_fd(), true)?;
    Ok(Some(fd))
}
