//! One connection as an event loop knows it: a socket, what is known of its readiness, and what it has not taken.

use std::{
    io, mem,
    os::fd::{AsRawFd, OwnedFd},
};

use mio::{Interest, Registry, Token, event::Event, unix::SourceFd};
use policy_daemon::worker::MadeBy;
use policy_flow::Sent;
use policy_socket::{close_unix, refuses_rights};
use rustix::{
    io::Errno,
    net::{
        AddressFamily,
        sockopt::{set_socket_oobinline, socket_domain, socket_error},
    },
};

use super::calls::{peek, read, receive, write};

/// The socket of a connection that begins.
#[derive(Debug)]
pub(crate) struct NewSocket {
    /// It does not block.
    pub(crate) fd: OwnedFd,
    pub(crate) is_unix: bool,
    pub(crate) made_by: MadeBy,
}

impl NewSocket {
    /// A socket of another process, which knows what it is.
    pub(crate) fn of_other_process(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            is_unix: socket_domain(&fd)? == AddressFamily::UNIX,
            fd,
            made_by: MadeBy::OtherProcess,
        })
    }
}

/// A connection, or the place of one. There are as many places as there were ever connections at once, so each is
/// small.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Option<OwnedFd>,
    kind: Kind,
    /// What another process has made it may have still, so the system would go on telling of it when it is closed here.
    made_by: MadeBy,
    /// Something may have come that has not been read: the system tells of it once.
    readable: bool,
    /// The peer will send no more: reading goes on until that is read.
    ended: bool,
    /// The end has been read: nothing can lie in the socket.
    is_read: bool,
    /// It is being opened.
    pub(crate) is_connecting: bool,
    /// Bytes that the system has not taken.
    backlog: Option<Box<Backlog>>,
}

/// What can come over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Bytes over TCP.
    Tcp,
    /// Bytes over a UNIX socket, which refuses descriptors.
    Unix,
    /// Bytes over a UNIX socket, and descriptors, since the system does not refuse them.
    UnixWithRights,
}

/// Bytes, of which the first ones have been sent.
#[derive(Debug)]
struct Backlog {
    bytes: Vec<u8>,
    sent: usize,
}

/// The result of a read.
#[derive(Debug)]
pub(crate) enum Read {
    /// So many bytes.
    Data(usize),
    /// Nothing, for now.
    Nothing,
    /// The end.
    End,
    /// Descriptors, which nobody has asked for.
    Descriptors,
    /// The connection has failed.
    Failed(io::Error),
}

impl Connection {
    /// A place for one.
    pub(crate) const FREE: Self = Self {
        socket: None,
        kind: Kind::Tcp,
        made_by: MadeBy::ThisProcess,
        readable: false,
        ended: false,
        is_read: false,
        is_connecting: false,
        backlog: None,
    };

    /// A connected socket, or one that `is_connecting`. The system tells of it under this token.
    pub(crate) fn register(
        &mut self,
        socket: NewSocket,
        is_connecting: bool,
        token: Token,
        registry: &Registry,
    ) -> io::Result<()> {
        let NewSocket {
            fd: socket,
            is_unix,
            made_by,
        } = socket;
        // There is room in a new connection, which is no news; and a process that has asked for room in a UNIX socket is
        // woken each time that the other side reads. So room is asked for only while there is none.
        let interest = if is_connecting {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let kind = if !is_unix {
            Kind::Tcp
        } else if made_by == MadeBy::ThisProcess && refuses_rights(&socket) {
            Kind::Unix
        } else {
            Kind::UnixWithRights
        };
        if kind == Kind::UnixWithRights {
            // Else one that comes out of band would be closed by the system, in the middle of a read.
            set_socket_oobinline(&socket, true)?;
        }
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, interest)?;
        *self = Self {
            socket: Some(socket),
            kind,
            made_by,
            is_connecting,
            ..Self::FREE
        };
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether something may have come that has not been read.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Something may have come, though the system has not told of it yet.
    pub(crate) fn look(&mut self) {
        self.readable = true;
    }

    /// Whether something has not been sent.
    pub(crate) fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// The system has told of something.
    pub(crate) fn heard(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.ended |= event.is_read_closed() || event.is_error();
    }

    /// Reads as much as there is room for, if something has come.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> Read {
        let Some(socket) = self.socket.as_ref().filter(|_| self.readable) else {
            return Read::Nothing;
        };
        let asked = room.len();
        let read = if self.kind == Kind::UnixWithRights {
            receive(socket, room)
        } else {
            read(socket, room).map(Some)
        };
        match read {
            Ok(Some(0)) => {
                self.readable = false;
                self.is_read = true;
                Read::End
            }
            Ok(Some(count)) => {
                // Less than was asked for was all, but for the end.
                self.readable = count == asked || self.ended;
                Read::Data(count)
            }
            Ok(None) => Read::Descriptors,
            Err(Errno::AGAIN) => {
                self.readable = false;
                Read::Nothing
            }
            Err(error) => Read::Failed(error.into()),
        }
    }

    /// Whether something has come that has not been read, bytes or the end.
    pub(crate) fn has_input(&self) -> bool {
        let socket = self.socket.as_ref();
        socket.is_some_and(|socket| !matches!(peek(socket), Err(Errno::AGAIN)))
    }

    /// Whether bytes have come that have not been read.
    pub(crate) fn has_bytes(&self) -> bool {
        let socket = self.socket.as_ref();
        socket.is_some_and(|socket| matches!(peek(socket), Ok(1..)))
    }

    /// Sends as much as the system takes, and keeps the rest.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        token: Token,
        registry: &Registry,
    ) -> io::Result<Sent> {
        let Some(socket) = &self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let sent = match self.backlog {
            Some(_) => 0,
            None => write(socket, bytes)?,
        };
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Sent::All);
        }
        match &mut self.backlog {
            Some(backlog) => backlog.bytes.extend_from_slice(rest),
            None => {
                let bytes = rest.to_vec();
                self.backlog = Some(Box::new(Backlog { bytes, sent: 0 }));
                let interest = Interest::READABLE | Interest::WRITABLE;
                registry.reregister(&mut SourceFd(&socket.as_raw_fd()), token, interest)?;
            }
        }
        Ok(Sent::Part)
    }

    /// Sends what was kept, if there is room again: whether it has been sent to its end now.
    pub(crate) fn flush(&mut self, token: Token, registry: &Registry) -> io::Result<bool> {
        let (Some(socket), Some(backlog)) = (&self.socket, &mut self.backlog) else {
            return Ok(false);
        };
        let rest = backlog.bytes.get(backlog.sent..).unwrap_or_default();
        backlog.sent += write(socket, rest)?;
        if backlog.sent < backlog.bytes.len() {
            return Ok(false);
        }
        self.backlog = None;
        let interest = Interest::READABLE;
        registry.reregister(&mut SourceFd(&socket.as_raw_fd()), token, interest)?;
        Ok(true)
    }

    /// Why it could not be opened, if it could not.
    pub(crate) fn connect_error(&self) -> Option<io::Error> {
        let socket = self.socket.as_ref()?;
        match socket_error(socket) {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(error) => Some(error.into()),
        }
    }

    /// Whether it is a UNIX socket.
    pub(crate) fn is_unix(&self) -> bool {
        self.kind != Kind::Tcp
    }

    /// Its socket, for somebody else: the system tells this loop of it no more.
    pub(crate) fn leave(&mut self, registry: &Registry) -> Option<OwnedFd> {
        let socket = mem::replace(self, Self::FREE).socket.take()?;
        // The socket lives on in another process, and so would its registration.
        registry
            .deregister(&mut SourceFd(&socket.as_raw_fd()))
            .ok()
            .map(|()| socket)
    }

    /// Closes it.
    pub(crate) fn close(&mut self, registry: &Registry) {
        let closed = mem::replace(self, Self::FREE);
        let Some(socket) = closed.socket else {
            return;
        };
        let is_closed_apart = closed.kind == Kind::UnixWithRights && !closed.is_read;
        if closed.made_by == MadeBy::OtherProcess || is_closed_apart {
            // News of the system about it would later be taken for that of the next connection with its token.
            _ = registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
        }
        if is_closed_apart {
            close_unix(socket);
        }
    }
}
