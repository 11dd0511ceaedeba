//! Binding the sockets that a daemon listens with.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
};

use policy_socket::Endpoint;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::daemon::listen::{
    address::Listen,
    file::{Permission, SocketFile},
    socket::Bound,
};

impl Listen {
    /// Binds all addresses of its name, or its UNIX socket, and begins to listen. With port 0 they have one
    /// port, where there is one that is free for all.
    ///
    /// An address that this machine does not have, as `::1` without IPv6, is left out as long as there is
    /// another one. A UNIX socket that nobody listens on is replaced. To be called before threads are started: the
    /// umask is set for a moment, so that the socket never has a wider mode than asked for.
    ///
    /// # Errors
    ///
    /// What the system says; `AddrInUse` where somebody listens already, also another process like
    /// this one, or for a path that is something else than a socket.
    pub fn bind(&self) -> io::Result<Vec<Bound>> {
        match &self.endpoint {
            Endpoint::Inet { .. } => self.bind_rest(&self.addresses()?, Vec::new()),
            Endpoint::Unix(path) => {
                let file = SocketFile::at(path)?;
                let _alone = file.alone();
                file.remove_stale()?;
                Ok(vec![self.bind_unix(file, Type::STREAM)?])
            }
        }
    }

    /// Binds these addresses beside those that it has already.
    pub(crate) fn bind_rest(
        &self,
        addresses: &[SocketAddr],
        mut bound: Vec<Bound>,
    ) -> io::Result<Vec<Bound>> {
        let had = bound.first().and_then(|bound| bound.address().ok());
        let sockets = bind_all(addresses, had.map(|address| address.port()))?;
        bound.extend(
            sockets
                .into_iter()
                .map(|socket| Bound::new(self, socket, None)),
        );
        Ok(bound)
    }

    /// Binds the socket of this type for a handover at this path, in the place of any socket that is there.
    pub(crate) fn bind_handover(&self, path: &Path) -> io::Result<Bound> {
        let file = SocketFile::at(path)?;
        let _alone = file.alone();
        file.remove_any()?;
        self.bind_unix(file, Type::SEQPACKET)
    }

    fn bind_unix(&self, mut file: SocketFile, kind: Type) -> io::Result<Bound> {
        let socket = file.bind(kind, self.permission(), BACKLOG)?;
        Ok(Bound::new(self, socket, Some(file)))
    }

    /// The mode and owner that this asks for.
    pub(crate) fn permission(&self) -> Permission {
        Permission {
            mode: self.mode,
            owner: self.owner,
            group: self.group,
        }
    }

    /// Whether this socket, which somebody else has bound, is what this asks for.
    pub(crate) fn is(&self, bound: &Bound) -> bool {
        match (&self.endpoint, bound.address()) {
            (Endpoint::Inet { .. }, Ok(found)) => {
                self.addresses().is_ok_and(|asked| asked.contains(&found))
            }
            (endpoint, _) => endpoint == bound.asked(),
        }
    }

    /// Whether binding this may have given a socket this address, with any port where the system chooses it.
    pub(crate) fn may_be(&self, found: SocketAddr) -> bool {
        let addresses = self.addresses().unwrap_or_default();
        addresses.into_iter().any(|asked| is_asked(asked, found))
    }

    /// All addresses of its name, each once; none for a UNIX socket.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let Endpoint::Inet { host, port } = &self.endpoint else {
            return Ok(Vec::new());
        };
        let mut addresses = Vec::new();
        for address in (host.as_str(), *port).to_socket_addrs()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}

/// Whether a socket with this address is what was asked for; port 0 asks for any.
pub(crate) fn is_asked(asked: SocketAddr, found: SocketAddr) -> bool {
    asked.ip() == found.ip() && (asked.port() == found.port() || asked.port() == 0)
}

/// A socket at each address, all with one port where it is the system that chooses: `had`, if there is one
/// already.
fn bind_all(addresses: &[SocketAddr], had: Option<u16>) -> io::Result<Vec<Socket>> {
    let mut port = had;
    for _ in 0..SAME_PORT_TRIES {
        match bind_each(addresses, port, had.is_some()) {
            // Somebody else has that port at one of the addresses.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_any(addresses) => {
                port = None;
            }
            bound => return bound,
        }
    }
    // Then each its own.
    let each = addresses.iter().map(|address| bind_tcp(*address));
    each.collect()
}

fn is_any(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| address.port() == 0)
}

/// The same with this port in place of any, or with that of the first one.
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

/// Whether this machine has no such address, or nothing of its kind.
fn is_missing(error: &io::Error) -> bool {
    let missing = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT];
    Errno::from_io_error(error).is_some_and(|errno| missing.contains(&errno))
}

/// One socket, which all workers listen on. If each had one of its own (SO_REUSEPORT), the system would let any
/// other process of the same user join them, and give it a part of the connections.
fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for the connections of the process before to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// How often one port is looked for that is free at all addresses of a name.
const SAME_PORT_TRIES: usize = 8;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
