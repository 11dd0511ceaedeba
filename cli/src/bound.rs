use std::{
    fs::Permissions,
    io,
    net::{SocketAddr, ToSocketAddrs},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use policy_net::{Endpoint, Listener};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::{Listen, handover::Call, listen::is_loopback};

/// The listening sockets of one endpoint: over TCP one for each worker, among which the system shares
/// out connections, else one for all.
#[derive(Debug)]
pub struct Bound {
    /// As it was asked for.
    asked: Endpoint,
    /// At least one.
    sockets: Vec<Socket>,
    /// The path of a UNIX socket and its inode, to be removed at the end.
    path: Option<(PathBuf, u64)>,
    /// Others have these sockets too: what is done to them is done to those.
    is_shared: AtomicBool,
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
                        Ok(sockets) => return Ok(Bound::new(&self.endpoint, sockets, None)),
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

    /// Listens with sockets of the daemon before this one.
    pub(crate) fn adopt(&self, mut sockets: Vec<Socket>, workers: usize) -> io::Result<Bound> {
        let path = match &self.endpoint {
            Endpoint::Inet { .. } => {
                join(&mut sockets, workers)?;
                None
            }
            Endpoint::Unix(path) => {
                if let Some(mode) = self.mode {
                    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
                }
                self.give_away(path)?;
                Some(path)
            }
        };
        Ok(Bound::new(
            &self.endpoint,
            sockets,
            path.map(|path| own(path)).transpose()?,
        ))
    }

    /// Whether these sockets, which were bound by somebody else, are what this asks for.
    pub(crate) fn is(&self, bound: &Bound) -> bool {
        match (&self.endpoint, bound.address()) {
            (Endpoint::Inet { host, port }, Ok(bound)) => (host.as_str(), *port)
                .to_socket_addrs()
                .is_ok_and(|mut addresses| addresses.any(|address| address == bound)),
            (endpoint, _) => *endpoint == bound.asked,
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
        let bound = Bound::new(&self.endpoint, vec![socket], Some(own(path)?));
        self.give_away(path)?;
        // Only now, so that nobody connects before the owner is right.
        for socket in &bound.sockets {
            socket.listen(BACKLOG)?;
        }
        Ok(bound)
    }

    fn give_away(&self, path: &Path) -> io::Result<()> {
        match (self.owner, self.group) {
            (None, None) => Ok(()),
            (owner, group) => lchown(path, owner, group),
        }
    }
}

impl Bound {
    fn new(asked: &Endpoint, sockets: Vec<Socket>, path: Option<(PathBuf, u64)>) -> Self {
        Self {
            asked: asked.clone(),
            sockets,
            path,
            is_shared: AtomicBool::new(false),
        }
    }

    /// A socket that somebody else has bound, and keeps.
    pub(crate) fn passed(socket: Socket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let asked = match address.as_socket() {
            Some(address) => of_address(address),
            // One without a path has no name that could be said.
            None => Endpoint::Unix(
                address
                    .as_pathname()
                    .unwrap_or_else(|| Path::new("-"))
                    .to_owned(),
            ),
        };
        let mut bound = Self::new(&asked, vec![socket], None);
        bound.is_shared = AtomicBool::new(true);
        Ok(bound)
    }

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
            Ok(match self.asked {
                Endpoint::Inet { .. } => TcpListener::from_std(socket.into())?.into(),
                Endpoint::Unix(_) => UnixListener::from_std(socket.into())?.into(),
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
        match &self.asked {
            Endpoint::Inet { .. } => self.address().map(of_address),
            unix @ Endpoint::Unix(_) => Ok(unix.clone()),
        }
    }

    /// Whether only this machine can reach it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn is_local(&self) -> io::Result<bool> {
        match self.asked {
            Endpoint::Inet { .. } => Ok(is_loopback(self.address()?.ip())),
            Endpoint::Unix(_) => Ok(true),
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let socket = self.sockets.first().ok_or(io::ErrorKind::NotConnected)?;
        let address = socket.local_addr()?.as_socket();
        Ok(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    /// Descriptors of its sockets for another process, with the name that both know them by; from now
    /// on they are not only its own.
    pub(crate) fn share(&self) -> io::Result<(String, Vec<Socket>)> {
        let sockets = self.sockets.iter().map(Socket::try_clone);
        let shared = (self.asked.to_string(), sockets.collect::<io::Result<_>>()?);
        self.is_shared.store(true, Relaxed);
        Ok(shared)
    }

    /// The other process has not taken them.
    pub(crate) fn unshare(&self) {
        self.is_shared.store(false, Relaxed);
    }

    /// Refuses new connections from now on, whatever other descriptors of the sockets are open, unless
    /// another process has some: there they wait.
    pub fn refuse(&self) {
        if self.is_shared.load(Relaxed) {
            return;
        }
        for socket in &self.sockets {
            // It has no peer, so there is nothing that could fail.
            _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Removes the file of a UNIX socket that is its own.
    pub(crate) fn remove(&self) {
        if !self.is_shared.load(Relaxed)
            && let Some((path, inode)) = &self.path
            && std::fs::symlink_metadata(path).is_ok_and(|found| found.ino() == *inode)
        {
            // Another process may not be allowed to; the next start replaces it.
            _ = std::fs::remove_file(path);
        }
    }

    /// What it was asked to be, as said in an error.
    pub(crate) fn asked(&self) -> &Endpoint {
        &self.asked
    }

    /// The next one who calls, if this is the socket of a handover; an error of a call's own is
    /// within.
    pub(crate) fn call(&self, friends: &[u32]) -> io::Result<io::Result<Call>> {
        let socket = self.sockets.first().ok_or(io::ErrorKind::InvalidInput)?;
        Call::next(socket, friends)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The system lets two processes of one user share a port if all their sockets have SO_REUSEPORT. So
/// the first one binds and listens without: only where nobody else listens does it succeed. It gets
/// the option then, and the others join it.
fn bind_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<Socket>> {
    let first = tcp_socket(address)?;
    first.bind(&address.into())?;
    first.listen(BACKLOG)?;
    let mut sockets = vec![first];
    join(&mut sockets, workers)?;
    Ok(sockets)
}

/// Adds sockets until there is one for each worker.
fn join(sockets: &mut Vec<Socket>, workers: usize) -> io::Result<()> {
    let Some(first) = sockets.first().filter(|_| sockets.len() < workers) else {
        return Ok(());
    };
    first.set_reuse_port(true)?;
    // With the port that the system chose.
    let bound = first.local_addr()?;
    let address = bound.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    while sockets.len() < workers {
        let socket = tcp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound)?;
        socket.listen(BACKLOG)?;
        sockets.push(socket);
    }
    Ok(())
}

fn of_address(address: SocketAddr) -> Endpoint {
    Endpoint::Inet {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// The path of a socket of ours, and its inode.
fn own(path: &Path) -> io::Result<(PathBuf, u64)> {
    Ok((path.to_owned(), std::fs::symlink_metadata(path)?.ino()))
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
