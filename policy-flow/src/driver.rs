//! The effects that a driver has for the state machine, as traits.

use std::{io, net::SocketAddr};

use crate::{ClientEvent, ClientId, Event, LinkId, Slot};

/// How much of some bytes the system has taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// All of them.
    All,
    /// A part. The driver keeps the rest, sends it as soon as it can, and reports that
    /// (`client_flushed`, `link_flushed`).
    Part,
}

/// Why an operation on a connection to a backend failed. The driver tells these cases apart, since error numbers
/// are the system's.
#[derive(Debug)]
pub enum Failure {
    /// This side has run out of descriptors, threads or memory: no backend is to blame.
    Local(io::Error),
    /// The peer has closed the connection with bytes unread, the last one written among them: over a UNIX socket
    /// on Linux, `ECONNRESET` says so. See [`Retry`](crate::Retry).
    Unread(io::Error),
    /// Anything else.
    Peer(io::Error),
}

/// How far a connection is that a driver has begun to open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connecting {
    /// It is reported later (`connected`, `link_failed`).
    Pending,
    /// It is open.
    Done,
    /// The queue of a UNIX socket is full: it is to be tried again in a moment. There is no connection, and its
    /// number is free.
    Full,
}

/// Where a backend can be reached, as a look-up has found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Address {
    /// Over TCP.
    Inet(SocketAddr),
    /// A UNIX socket's file, by its device and inode: a socket that was bound again is another one.
    Unix {
        /// The file system.
        device: u64,
        /// The file.
        inode: u64,
    },
    /// Known to the driver only.
    Other(u64),
}

/// What the clients' side needs of a driver. Nothing in here may call back.
pub trait ClientDriver {
    /// Sends a reply.
    ///
    /// # Errors
    ///
    /// The client has gone. The connection is closed next.
    fn send_client(&mut self, client: ClientId, bytes: &[u8]) -> io::Result<Sent>;

    /// Closes a connection.
    fn close_client(&mut self, client: ClientId);

    /// A connection is between two requests, and is not served on. It is passed to another process, or closed.
    fn leave_client(&mut self, client: ClientId);

    /// A client may be read from again: what it has sent meanwhile is to be reported, now or later, but not from
    /// within this call.
    fn resume_client(&mut self, client: ClientId);

    /// Whether something has come that has not been read: such a client does not lose its place.
    fn has_bytes(&mut self, client: ClientId) -> bool;

    /// Something happened that a log or a counter may want to know. It must not block.
    fn client_event(&mut self, event: ClientEvent<'_>);
}

/// What the backends' side needs of a driver. Nothing in here may call back.
pub trait BackendDriver {
    /// Opens a connection. An error is that of the address, not of the backend: the next address is tried.
    ///
    /// # Errors
    ///
    /// Why there is none. Its number is free then.
    fn connect(
        &mut self,
        link: LinkId,
        backend: Slot,
        address: Address,
    ) -> Result<Connecting, Failure>;

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// The connection failed. It is closed next.
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Result<Sent, Failure>;

    /// Closes a connection.
    fn close(&mut self, link: LinkId);

    /// A connection may be read from again.
    fn resume(&mut self, link: LinkId);

    /// Whether nothing has come over an idle connection, neither bytes nor its end. The system is to be asked: what
    /// was heard of it last may be a moment old.
    fn is_open(&mut self, link: LinkId) -> bool;

    /// Looks up where a backend is, and reports that (`resolved`), but not from within this call.
    fn resolve(&mut self, backend: Slot);

    /// Another worker is to be woken, so that it calls [`Upstream::woken`](crate::Upstream::woken).
    fn wake(&mut self, worker: usize);

    /// Something happened that a log or a counter may want to know. It must not block.
    fn event(&mut self, event: Event<'_>);

    /// The same, and on the way of whose request it happened: what the owner called that when it was
    /// [asked](crate::Upstream::ask). For drivers that tell each owner of its own requests.
    fn event_for(&mut self, _owner: u64, event: Event<'_>) {
        self.event(event);
    }
}

/// What a whole proxy needs.
pub trait Driver: ClientDriver + BackendDriver {}

impl<D: ClientDriver + BackendDriver> Driver for D {}
