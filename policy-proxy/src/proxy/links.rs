//! Connections to backends: where they lead, and how they are opened.

use std::{io, mem, os::fd::OwnedFd, path::Path, sync::Arc};

use mio::Registry;
use policy_daemon::worker::MadeBy;
use policy_flow::{Address, Connecting, Failure, LinkId, Sent, Slot};
use policy_socket::{Endpoint, SocketFileId, keep_alive, refuse_rights};
use rustix::{
    io::{Errno, retry_on_intr},
    net::SocketAddrUnix,
};
use socket2::{Domain, Socket, Type};

use crate::proxy::{
    failure,
    message::{Found, Inbox},
    resolver::Resolver,
    socket::{NewSocket, Side, Table},
};

/// Where the backends are, for all workers.
#[derive(Debug)]
pub(crate) struct Backends {
    /// By their slots: in the order of the command line, at the start.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) resolver: Arc<Resolver>,
}

/// The connections of one worker to backends.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) table: Table,
    backends: Arc<Backends>,
    inbox: Arc<Inbox>,
    /// Look-ups that have ended.
    pub(crate) resolved: Vec<(Slot, Found)>,
    /// Those that may be read from again.
    pub(crate) resumed: Vec<LinkId>,
}

impl Links {
    pub(crate) const fn new(
        registry: Arc<Registry>,
        backends: Arc<Backends>,
        inbox: Arc<Inbox>,
    ) -> Self {
        Self {
            table: Table::new(Side::Backends, registry),
            backends,
            inbox,
            resolved: Vec::new(),
            resumed: Vec::new(),
        }
    }

    /// Opens a connection, without a wait.
    pub(crate) fn connect(
        &mut self,
        link: LinkId,
        slot: Slot,
        address: Address,
    ) -> Result<Connecting, Failure> {
        let endpoint = self.backends.endpoints.get(slot.index());
        let opened = match (address, endpoint) {
            (Address::Inet(address), _) => connect_inet(address.into()).map(Some),
            (Address::Unix { .. }, Some(Endpoint::Unix(path))) => connect_unix(path),
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let Some((socket, state)) = opened.map_err(failure::of_connecting)? else {
            return Ok(Connecting::Full);
        };
        let is_connecting = state == Connecting::Pending;
        let socket = NewSocket {
            fd: socket,
            is_unix: matches!(address, Address::Unix { .. }),
            made_by: MadeBy::ThisProcess,
        };
        let table = self.table.open(link.index(), socket, is_connecting);
        table.map_err(failure::of_connecting)?;
        Ok(state)
    }

    /// Backends are elsewhere from now on, but for those that stay.
    pub(crate) fn set_backends(&mut self, backends: Arc<Backends>) {
        self.backends = backends;
    }

    pub(crate) fn send(&mut self, link: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let sent = self.table.send(link.index(), bytes);
        sent.map_err(|error| failure::of_connection(error, false))
    }

    pub(crate) fn resume(&mut self, link: LinkId) {
        let connection = self.table.get(link.index());
        if connection.is_some_and(|connection| connection.is_readable()) {
            self.resumed.push(link);
        }
    }

    /// Whether some may be read from again, or look-ups have ended.
    pub(crate) fn has_resumed(&self) -> bool {
        !self.resumed.is_empty() || !self.resolved.is_empty()
    }

    /// Those that may be read from again, in the place of an empty list.
    pub(crate) fn take_resumed(&mut self, list: &mut Vec<LinkId>) {
        mem::swap(&mut self.resumed, list);
    }

    /// Whether nothing has come over an idle connection.
    pub(crate) fn is_open(&mut self, link: LinkId) -> bool {
        let connection = self.table.get(link.index());
        connection.is_some_and(|connection| !connection.has_input())
    }

    /// Looks up where a backend is.
    pub(crate) fn resolve(&mut self, slot: Slot) {
        match self.backends.endpoints.get(slot.index()) {
            Some(Endpoint::Inet { host, port }) => {
                let resolver = &self.backends.resolver;
                resolver.look_up(slot, host, *port, &self.inbox);
            }
            Some(Endpoint::Unix(path)) => self.resolved.push((slot, find_file(path))),
            _ => {}
        }
    }
}

/// The file of a UNIX socket: one that was bound again is another one.
fn find_file(path: &Path) -> Found {
    match SocketFileId::at(path) {
        Ok(SocketFileId { device, inode }) => Ok(vec![Address::Unix { device, inode }]),
        Err(error) => Err(failure::of_connecting(error)),
    }
}

fn connect_inet(address: socket2::SockAddr) -> io::Result<(OwnedFd, Connecting)> {
    let socket = new_socket(address.domain())?;
    // A request is one write: there is nothing to gather.
    socket.set_tcp_nodelay(true)?;
    keep_alive(&socket)?;
    match socket.connect(&address) {
        Ok(()) => Ok((socket.into(), Connecting::Done)),
        Err(error) if is_in_progress(&error) => Ok((socket.into(), Connecting::Pending)),
        Err(error) => Err(error),
    }
}

fn connect_unix(path: &Path) -> io::Result<Option<(OwnedFd, Connecting)>> {
    let socket = new_socket(Domain::UNIX)?;
    refuse_rights(&socket);
    let address = SocketAddrUnix::new(path)?;
    match retry_on_intr(|| rustix::net::connect(&socket, &address)) {
        Ok(()) => Ok(Some((socket.into(), Connecting::Done))),
        // Unlike TCP's, a UNIX socket's full queue is an error at once.
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn new_socket(domain: Domain) -> io::Result<Socket> {
    #[cfg(not(target_vendor = "apple"))]
    return Socket::new_raw(domain, Type::STREAM.cloexec().nonblocking(), None);
    #[cfg(target_vendor = "apple")]
    {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INPROGRESS | Errno::INTR))
}
