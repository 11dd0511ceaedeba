//! Binding the sockets that a daemon listens with.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
};

use policy_net::Endpoint;
use socket2::{Domain, Socket, Type};

use crate::{
    Bound, Listen,
    socket_file::{Permission, SocketFile},
};

impl Listen {
    /// Binds a socket, and begins to listen.
    ///
    /// A UNIX socket that nobody listens on is replaced. To be called before threads are started: the
    /// umask is set for a moment, so that the socket never has a wider mode than asked for.
    ///
    /// # Errors
    ///
    /// What the system says; `AddrInUse` where somebody listens already, also another process like
    /// this one, or for a path that is something else than a socket.
    pub fn bind(&self) -> io::Result<Bound> {
        match &self.endpoint {
            Endpoint::Inet { host, port } => {
                let mut last = io::ErrorKind::NotFound.into();
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match bind_tcp(address) {
                        Ok(socket) => return Ok(Bound::new(self, socket, None)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Endpoint::Unix(path) => {
                let file = SocketFile::at(path)?;
                file.remove_stale()?;
                self.bind_unix(file, Type::STREAM)
            }
        }
    }

    /// Binds the socket of this type for a handover at this path, in the place of any socket that is there.
    pub(crate) fn bind_handover(&self, path: &Path) -> io::Result<Bound> {
        let file = SocketFile::at(path)?;
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
            (Endpoint::Inet { .. }, Ok(found)) => self.addresses().any(|asked| asked == found),
            (endpoint, _) => endpoint == bound.asked(),
        }
    }

    /// Whether binding this may have given a socket this address, with any port where the system chooses it.
    pub(crate) fn may_be(&self, found: SocketAddr) -> bool {
        let is_asked = |asked: SocketAddr| {
            asked.ip() == found.ip() && (asked.port() == found.port() || asked.port() == 0)
        };
        self.addresses().any(is_asked)
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let addresses = match &self.endpoint {
            Endpoint::Inet { host, port } => (host.as_str(), *port).to_socket_addrs().ok(),
            Endpoint::Unix(_) => None,
        };
        addresses.into_iter().flatten()
    }
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

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
