//! Standard input and output as one connection.

use std::{fmt, io, os::fd::OwnedFd, sync::mpsc, thread::Builder};

use policy_net::{Stream, UnixStream};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{FileType, Mode, OFlags},
    net::{AddressFamily, SocketType, sockopt},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection in one piece.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Duplex for Io {}

/// Standard input and output as one connection, whatever they are.
///
/// Sockets are waited for without blocking. Pipes, terminals and files are read and written by
/// threads, since making them non-blocking would change them for other processes as well.
///
/// # Errors
///
/// What the system says of the descriptors.
pub fn stdio() -> io::Result<Box<dyn Duplex>> {
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    if is_same_socket(input, output)
        && let Some(stream) = socket(input)?
    {
        return Ok(Box::new(stream));
    }
    let input: Box<dyn Read> = match socket(input)? {
        Some(stream) => Box::new(stream),
        None => {
            check_threads()?;
            Box::new(tokio::io::stdin())
        }
    };
    let output: Box<dyn Write> = match socket(output)? {
        Some(stream) => Box::new(stream),
        None => {
            check_threads()?;
            Box::new(tokio::io::stdout())
        }
    };
    Ok(Box::new(tokio::io::join(input, output)))
}

/// Puts `/dev/null` in the place of standard error where that is the socket of standard input, as
/// under spawn(8): any word on it would be a part of the protocol.
pub fn silence_stderr() {
    if is_same_socket(rustix::stdio::stdin(), rustix::stdio::stderr())
        && let Ok(null) = rustix::fs::open("/dev/null", OFlags::WRONLY, Mode::empty())
    {
        // Where it fails, nothing is written to standard error either.
        _ = rustix::stdio::dup2_stderr(null);
    }
}

/// Whether a client is connected to standard input.
pub(crate) fn stdin_is_connection() -> bool {
    is_same_socket(rustix::stdio::stdin(), rustix::stdio::stdin())
}

trait Read: AsyncRead + fmt::Debug + Send + Unpin {}
impl<Io: AsyncRead + fmt::Debug + Send + Unpin> Read for Io {}
trait Write: AsyncWrite + fmt::Debug + Send + Unpin {}
impl<Io: AsyncWrite + fmt::Debug + Send + Unpin> Write for Io {}

fn is_same_socket(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let identity = |fd| {
        let stat = rustix::fs::fstat(fd).ok()?;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        is_socket.then_some((stat.st_dev, stat.st_ino))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Whether threads can be started for both: where none can, tokio panics.
fn check_threads() -> io::Result<()> {
    let no_thread =
        |error: io::Error| io::Error::new(error.kind(), format!("no thread for a pipe: {error}"));
    let (end, ended) = mpsc::channel::<()>();
    let first = Builder::new().spawn(move || ended.recv());
    let first = first.map_err(no_thread)?;
    let second = Builder::new().spawn(|| {}).map_err(no_thread);
    drop(end);
    _ = first.join();
    _ = second?.join();
    Ok(())
}

/// The stream socket behind a descriptor, if it is one.
fn socket(fd: BorrowedFd<'_>) -> io::Result<Option<Stream>> {
    if sockopt::socket_type(fd) != Ok(SocketType::STREAM) {
        return Ok(None);
    }
    let family = sockopt::socket_domain(fd)?;
    let fd: OwnedFd = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    rustix::io::ioctl_fionbio(fd.as_fd(), true)?;
    Ok(match family {
        AddressFamily::UNIX => Some(Stream::Unix(UnixStream::from_std(fd.into())?)),
        AddressFamily::INET | AddressFamily::INET6 => {
            Some(Stream::Tcp(tokio::net::TcpStream::from_std(fd.into())?))
        }
        _ => None,
    })
}
