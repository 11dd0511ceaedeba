use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use policy_net::{Endpoint, Listener};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{Listen, listen::is_loopback};

/// The listening sockets of one endpoint: over TCP one for each worker, among which the system shares
/// out connections, else one for all.
#[derive(Debug)]
pub struct Bound {
    /// At least one.
    sockets: Vec<Socket>,
    /// The path of a UNIX socket and its inode, to be removed at the end.
    path: Option<(PathBuf, u64)>,
}

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
                        Ok(sockets) => {
                            return Ok(Bound {
                                sockets,
                                path: None,
                            });
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Endpoint::Unix(path) => self.bind_unix(path),
        }
    }

    fn bind_unix(&self, path: &Path) -> io::Result<Bound> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let umask = self
            .mode
            .map(|mode| rustix::process::umask(Mode::from_raw_mode(!mode & 0o777)));
        let bound = socket.bind(&SockAddr::unix(path)?);
        if let Some(umask) = umask {
            rustix::process::umask(umask);
        }
        bound?;
        let inode = std::fs::symlink_metadata(path)?.ino();
        let bound = Bound {
            sockets: vec![socket],
            path: Some((path.to_owned(), inode)),
        };
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::lchown(path, self.owner, self.group)?;
        }
        // Only now, so that nobody connects before the owner is right.
        for socket in &bound.sockets {
            socket.listen(BACKLOG)?;
        }
        Ok(bound)
    }
}

impl Bound {
    /// The listeners of one of so many workers, for the runtime that this is called in. Each worker
    /// has one at least, and each socket has one.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn listeners(&self, worker: usize, workers: usize) -> io::Result<Vec<Listener>> {
        let sockets = self.sockets.iter().cycle();
        let sockets = sockets.take(self.sockets.len().max(workers));
        let own = sockets.skip(worker).step_by(workers.max(1));
        own.map(|socket| {
            let socket = socket.try_clone()?;
            socket.set_nonblocking(true)?;
            Ok(match self.path {
                None => tokio::net::TcpListener::from_std(socket.into())?.into(),
                Some(_) => tokio::net::UnixListener::from_std(socket.into())?.into(),
            })
        })
        .collect()
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        if let Some((path, _)) = &self.path {
            return Ok(Endpoint::Unix(path.clone()));
        }
        let address = self.address()?;
        Ok(Endpoint::Inet {
            host: address.ip().to_string(),
            port: address.port(),
        })
    }

    /// Whether only this machine can reach it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn is_local(&self) -> io::Result<bool> {
        Ok(self.path.is_some() || is_loopback(self.address()?.ip()))
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let socket = self.sockets.first().ok_or(io::ErrorKind::NotConnected)?;
        let address = socket.local_addr()?.as_socket();
        Ok(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    /// Refuses new connections from now on, whatever other descriptors of the sockets are open.
    pub fn refuse(&self) {
        for socket in &self.sockets {
            // It has no peer, so there is nothing that could fail.
            _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.path
            && std::fs::symlink_metadata(path).is_ok_and(|found| found.ino() == *inode)
        {
            // Another process may not be allowed to; the next start replaces it.
            _ = std::fs::remove_file(path);
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
    // With the port that the system chose.
    let bound = first.local_addr()?;
    first.set_reuse_port(workers > 1)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
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
