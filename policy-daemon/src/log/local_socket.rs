//! The UNIX socket of a log: it is opened when it is needed, and again after an error, and never waited for. One that is
//! missing is tried once a second.

use std::{
    io::{self, ErrorKind, Write},
    os::unix::net::{UnixDatagram, UnixStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The socket at a path.
#[derive(Debug)]
pub(super) struct LocalSocket {
    path: PathBuf,
    socket: Option<Socket>,
    /// When it is tried again, after it could not be opened: each try is two sockets.
    next_try: Option<Instant>,
}

#[derive(Debug)]
enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl LocalSocket {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            socket: None,
            next_try: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the socket, if it is not open.
    pub(super) fn try_open(&mut self, now: Instant) -> io::Result<()> {
        if self.socket.is_none() {
            self.socket = Some(self.open(now)?);
        }
        Ok(())
    }

    /// Whether a message would be lost without a try.
    pub(super) fn is_missing(&self, now: Instant) -> bool {
        self.next_try.is_some_and(|next| now < next)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// It cannot be sent at once.
    pub(super) fn send(&mut self, message: &[u8], now: Instant) -> io::Result<()> {
        let was_open = self.socket.is_some();
        match self.write(message, now) {
            // Once more for a log that has been restarted, but not for one that is busy or missing.
            Err(error) if was_open && error.kind() != ErrorKind::WouldBlock => {
                self.socket = None;
                self.write(message, now)
            }
            result => result,
        }
    }

    fn write(&mut self, message: &[u8], now: Instant) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open(now)?,
        };
        let written = match &socket {
            Socket::Datagram(socket) => socket.send(message).map(|_| ()),
            // On a stream a line ends in NUL. A part of one would spoil the next.
            Socket::Stream(socket) => {
                let line = [message, b"\0"].concat();
                match (&*socket).write(&line) {
                    Ok(written) if written < line.len() => Err(ErrorKind::WriteZero.into()),
                    result => result.map(|_| ()),
                }
            }
        };
        let keep = written
            .as_ref()
            .map_or_else(|e| e.kind() == ErrorKind::WouldBlock, |()| true);
        self.socket = keep.then_some(socket);
        written
    }

    fn open(&mut self, now: Instant) -> io::Result<Socket> {
        let opened = self.connect();
        self.next_try = match opened {
            Ok(_) => None,
            Err(_) => now.checked_add(RETRY),
        };
        opened
    }

    fn connect(&self) -> io::Result<Socket> {
        let datagram = || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(&self.path)?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(Socket::Datagram(socket))
        };
        let stream = || {
            // Connecting to a stream socket could wait for its backlog.
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.connect(&socket2::SockAddr::unix(&self.path)?)?;
            Ok(Socket::Stream(UnixStream::from(socket)))
        };
        datagram().or_else(|_: io::Error| stream())
    }
}

/// A log that was started again is found so soon. Meanwhile a request costs no look at the file system.
const RETRY: Duration = Duration::from_secs(1);
