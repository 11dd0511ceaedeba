use std::{
    fs::Permissions,
    io,
    net::{SocketAddr, ToSocketAddrs},
    os::unix::fs::{FileTypeExt, PermissionsExt, lchown},
    path::Path,
};

use policy_net::Endpoint;
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{Bound, Listen};

impl Listen {
    /// Binds the sockets for so many workers, and begins to listen.
    ///
    /// A UNIX socket that nobody listens on is replaced. To be called before threads are started: the
    /// umask is set for a moment, so that the socket never has a wider mode than asked for.
    ///
    /// # Errors
    ///
    /// What the system says; `AddrInUse` where somebody listens already, also another process like
    /// this one, or for a path that is something else than a socket.
    pub fn bind(&self, workers: usize) -> io::Result<Bound> {
        match &self.endpoint {
            Endpoint::Inet { host, port } => {
                let mut last = io::ErrorKind::NotFound.into();
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match bind_tcp(address, workers) {
                        Ok(sockets) => return Bound::new(self, sockets),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Endpoint::Unix(path) => {
                remove_stale(path)?;
                self.bind_unix(path, Type::STREAM)
            }
        }
    }

    /// Gives the file of a socket the owner and the mode that this asks for.
    pub(crate) fn dress(&self, path: &Path) -> io::Result<()> {
        self.give_away(path)?;
        match self.mode {
            Some(mode) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
            None => Ok(()),
        }
    }

    /// Whether these sockets, which were bound by somebody else, are what this asks for.
    pub(crate) fn is(&self, bound: &Bound) -> bool {
        match (&self.endpoint, bound.address()) {
            (Endpoint::Inet { host, port }, Ok(bound)) => (host.as_str(), *port)
                .to_socket_addrs()
                .is_ok_and(|mut addresses| addresses.any(|address| address == bound)),
            (endpoint, _) => endpoint == bound.asked(),
        }
    }

    pub(crate) fn bind_unix(&self, path: &Path, kind: Type) -> io::Result<Bound> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        let umask = self
            .mode
            .map(|mode| rustix::process::umask(Mode::from_raw_mode(!mode & 0o777)));
        let bound = socket.bind(&SockAddr::unix(path)?);
        if let Some(umask) = umask {
            rustix::process::umask(umask);
        }
        bound?;
        let bound = Bound::new(self, vec![socket])?;
        self.give_away(path)?;
        // Only now, so that nobody connects before the owner is right.
        bound.listen(BACKLOG)?;
        Ok(bound)
    }

    fn give_away(&self, path: &Path) -> io::Result<()> {
        match (self.owner, self.group) {
            (None, None) => Ok(()),
            (owner, group) => lchown(path, owner, group),
        }
    }
}

/// The system lets two processes of one user share a port if all their sockets have SO_REUSEPORT. So
/// the first one binds and listens without: only where nobody else listens does it succeed. It gets
/// the option then, and the others join it.
fn bind_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<Socket>> {
    let first = tcp_socket(address)?;
    first.bind(&address.into())?;
    first.listen(BACKLOG)?;
    if workers > 1 {
        first.set_reuse_port(true)?;
    }
    // With the port that the system chose.
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < workers {
        let socket = tcp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound)?;
        socket.listen(BACKLOG)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for the connections of the process before to be forgotten.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Removes a UNIX socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let refuses = || {
        // Not to wait for room in the queue of one that is alive.
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    let is_stale = found.file_type().is_socket()
        && refuses().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    match is_stale {
        true => std::fs::remove_file(path),
        false => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Connections that wait to be accepted, for each socket.
const BACKLOG: i32 = 1024;
