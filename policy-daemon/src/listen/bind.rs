//! Binding the sockets that a daemon listens with.

use std::{
    fs, io,
    net::{SocketAddr, UdpSocket},
    path::Path,
};

use policy_socket::Endpoint;
use rustix::{
    io::Errno,
    thread::{CapabilitySet, capabilities},
};
use socket2::{Domain, Socket, Type};

use super::{
    address::ListenAddr,
    file::{Permissions, SocketFile, name_of},
    socket::ListenSocket,
};
use crate::host::{LOOK_UP_TIME, look_up};

impl ListenAddr {
    /// Binds all addresses of its host, or its UNIX socket, and begins to listen. With port 0 all addresses get the same
    /// port, if one is free for all.
    ///
    /// An address that this machine does not have, such as `::1` without IPv6, is left out as long as there is
    /// another one. A UNIX socket on which no process listens is replaced. The umask is set for a moment, so that the
    /// socket never has a wider mode than requested: to be called where no other thread makes files.
    ///
    /// # Errors
    ///
    /// Errors of the system; `AddrInUse` where another process listens already, and for a path that is no socket; `TimedOut` for a
    /// host that is not found within 6 s.
    pub fn bind(&self) -> io::Result<Vec<ListenSocket>> {
        match &self.endpoint {
            Endpoint::Inet { .. } => self.bind_rest(&self.addresses()?, Vec::new()),
            Endpoint::Unix(path) => {
                let file = SocketFile::at(path)?;
                let _lock = file.lock();
                file.remove_stale()?;
                Ok(vec![self.bind_unix(file, Type::STREAM)?])
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Checks that it could be bound, and changes nothing. A port or a socket that another process has may be free by then, so
    /// that is not looked at: mostly it is the daemon itself that has it.
    ///
    /// # Errors
    ///
    /// As those of [`bind`](Self::bind), but for that.
    pub fn check_bind(&self) -> io::Result<()> {
        match &self.endpoint {
            Endpoint::Inet { port, .. } => {
                // Any free port, of a kind that nobody can connect to.
                let mut addresses = self.addresses()?;
                for address in &mut addresses {
                    address.set_port(0);
                }
                match UdpSocket::bind(&*addresses) {
                    // A unit may forbid that kind (`SocketBindDeny=`), and says nothing of the address then.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    bound => drop(bound?),
                }
                check_port(*port)
            }
            Endpoint::Unix(path) => SocketFile::at(path)?.check_place(self.permissions()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Binds these addresses beside those that are bound already.
    pub(crate) fn bind_rest(
        &self,
        addresses: &[SocketAddr],
        mut bound: Vec<ListenSocket>,
    ) -> io::Result<Vec<ListenSocket>> {
        let had = bound.first().and_then(|bound| bound.address().ok());
        let sockets = bind_all(addresses, had.map(|address| address.port()))?;
        bound.extend(
            sockets
                .into_iter()
                .map(|socket| ListenSocket::bound(self, socket, None)),
        );
        Ok(bound)
    }

    /// Binds the socket for handovers at this path, also in place of that of a daemon which has not handed over.
    pub(crate) fn bind_handover(&self, path: &Path) -> io::Result<ListenSocket> {
        let file = SocketFile::at(path)?;
        let _lock = file.lock();
        file.remove_unless_others()?;
        self.bind_unix(file, Type::SEQPACKET)
    }

    fn bind_unix(&self, mut file: SocketFile, kind: Type) -> io::Result<ListenSocket> {
        let socket = file.bind(kind, self.permissions(), BACKLOG)?;
        Ok(ListenSocket::bound(self, socket, Some(file)))
    }

    /// The requested mode and owner.
    pub(crate) fn permissions(&self) -> Permissions {
        Permissions {
            mode: self.mode,
            owner: self.owner,
            group: self.group,
        }
    }

    /// Whether a socket that another process has bound is the requested one.
    pub(crate) fn is(&self, bound: &ListenSocket) -> bool {
        match (&self.endpoint, bound.address()) {
            (Endpoint::Inet { .. }, Ok(found)) => self
                .addresses()
                .is_ok_and(|addresses| addresses.contains(&found)),
            (endpoint, _) => is_same(endpoint, bound.requested()),
        }
    }

    /// Whether a socket of this daemon was bound for this.
    pub(crate) fn is_of(&self, bound: &ListenSocket) -> bool {
        if bound.is_manager_owned() {
            self.is(bound)
        } else {
            is_same(&self.endpoint, bound.requested())
        }
    }

    /// Whether binding this may have given a socket this address, also where the system chooses the port.
    pub(crate) fn may_be(&self, found: SocketAddr) -> bool {
        let addresses = self.addresses().unwrap_or_default();
        addresses
            .into_iter()
            .any(|address| is_requested(address, found))
    }

    /// All addresses of its host, each once; none for a UNIX socket. A name is given up after 6 s.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let Endpoint::Inet { host, port } = &self.endpoint else {
            return Ok(Vec::new());
        };
        let mut addresses = Vec::new();
        for address in look_up(host, *port, LOOK_UP_TIME)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}

/// Whether two addresses are the same. Two paths are so with a slash at the end of one, with which no socket can be bound.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let ends_in_name = |endpoint: &Endpoint| match endpoint {
        Endpoint::Unix(path) => name_of(path).is_some(),
        _ => true,
    };
    one == other && ends_in_name(one) == ends_in_name(other)
}

/// Whether a socket with this address is the requested one; port 0 means any.
pub(crate) fn is_requested(address: SocketAddr, found: SocketAddr) -> bool {
    address.ip() == found.ip() && (address.port() == found.port() || address.port() == 0)
}

/// Checks that this process may bind the port: low ones need a right.
fn check_port(port: u16) -> io::Result<()> {
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first_free = first_free
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    // The system's default.
    let is_free = port == 0 || port >= first_free.unwrap_or(1024);
    let has_right = || {
        let sets = capabilities(None);
        sets.is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_BIND_SERVICE))
    };
    if is_free || has_right() {
        Ok(())
    } else {
        Err(Errno::ACCESS.into())
    }
}

/// A socket at each address, all with the same port where the system chooses it: with `known`, if there is one already.
fn bind_all(addresses: &[SocketAddr], known: Option<u16>) -> io::Result<Vec<Socket>> {
    let mut port = known;
    for _ in 0..SAME_PORT_TRIES {
        match bind_each(addresses, port, known.is_some()) {
            // Another process has that port at one of the addresses.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_any(addresses) => {
                port = None;
            }
            bound => return bound,
        }
    }
    // Each address gets a port of its own.
    let each = addresses.iter().map(|address| bind_tcp(*address));
    each.collect()
}

fn is_any(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| address.port() == 0)
}

/// A socket at each address, with this port, or the port of the first one, in place of 0.
fn bind_each(
    addresses: &[SocketAddr],
    mut port: Option<u16>,
    has_others: bool,
) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    let mut missing = None;
    for address in addresses {
        let mut address = *address;
        if address.port() == 0 {
            address.set_port(port.unwrap_or(0));
        }
        match bind_tcp(address) {
            Ok(socket) => {
                let bound = socket.local_addr()?.as_socket();
                port = port.or_else(|| bound.map(|bound| bound.port()));
                sockets.push(socket);
            }
            Err(error) if is_missing(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() && !has_others => Err(error),
        _ => Ok(sockets),
    }
}

/// Whether this machine has no such address, or no addresses of its family.
fn is_missing(error: &io::Error) -> bool {
    let missing = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT];
    Errno::from_io_error(error).is_some_and(|errno| missing.contains(&errno))
}

/// One socket for all workers. With a socket each (SO_REUSEPORT) the system would let any other process of the same user
/// join, and give it a part of the connections.
fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait until the system has forgotten the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// How often a port is tried that may be free at all addresses of a host.
const SAME_PORT_TRIES: usize = 8;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
