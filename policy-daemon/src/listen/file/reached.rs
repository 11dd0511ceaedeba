//! The listening socket that a connection to a file reaches.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::PathBuf,
    thread,
    time::Duration,
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

/// Whether a connection to this file reaches this listening socket: the system notes the credentials of the process that
/// began to listen, and the path at which the socket was bound.
///
/// Another process cannot have the same credentials on a socket of its own, as long as this one was made by root or by
/// the user who starts daemons; and a process has no two sockets with one path. The connection that this makes is closed
/// before anything is sent over it.
pub(super) fn is_file_of(file: &OwnedFd, listener: &Socket) -> io::Result<bool> {
    let mut tries = TRIES;
    let connection = loop {
        match connect(file, listener.r#type()?) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries > 0 => {
                tries -= 1;
                thread::sleep(PAUSE);
            }
            // No process listens there, or the file is another kind of socket, or none.
            Err(error) if is_answer(&error) => return Ok(false),
            Err(error) => return Err(error),
            Ok(connection) => break connection,
        }
    };
    let (reached, meant) = (connection.peer_addr()?, listener.local_addr()?);
    let is_path = reached.as_pathname().is_some() && reached.as_pathname() == meant.as_pathname();
    Ok(is_path
        && getsockopt(&connection, PeerCredentials)? == getsockopt(listener, PeerCredentials)?)
}

/// Whether a failure to connect shows that another socket listens, or none.
fn is_answer(error: &io::Error) -> bool {
    let answers = [
        Errno::CONNREFUSED,
        Errno::PROTOTYPE,
        Errno::NOTSOCK,
        Errno::NOENT,
    ];
    Errno::from_io_error(error).is_some_and(|errno| answers.contains(&errno))
}

/// What a connection to a file meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// A process has a socket of that type there.
    Listens,
    /// A process has a socket of another type there.
    OtherType,
    /// No process has the file's socket any more.
    Nobody,
}

/// What a connection of this type meets; it is closed at once.
///
/// # Errors
///
/// Those that show neither, such as a mode that keeps this process out.
pub(super) fn answer(file: &OwnedFd, kind: Type) -> io::Result<Answer> {
    match connect(file, kind) {
        Ok(_) => Ok(Answer::Listens),
        // Its queue is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Answer::Listens),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED) => Ok(Answer::Nobody),
            Some(Errno::PROTOTYPE) => Ok(Answer::OtherType),
            _ => Err(error),
        },
    }
}

fn connect(file: &OwnedFd, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    // No wait for a full queue.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(by_descriptor(file))?)?;
    Ok(socket)
}

/// A path to the very file that a descriptor is of.
pub(super) fn by_descriptor(file: &impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
}

/// For 1 s in all: a worker empties its queue in microseconds, and a start binds in less than a millisecond.
pub(super) const TRIES: u32 = 50;
pub(super) const PAUSE: Duration = Duration::from_millis(20);
