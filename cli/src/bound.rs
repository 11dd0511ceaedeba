use std::{
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use policy_net::{Endpoint, Listener};
use socket2::Socket;
use tokio::net::{TcpListener, UnixListener};

use crate::{handover::Call, listen::is_loopback};

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

impl Bound {
    pub(crate) fn new(
        asked: &Endpoint,
        sockets: Vec<Socket>,
        path: Option<(PathBuf, u64)>,
    ) -> Self {
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

    /// Begins to listen, with room for so many connections that nobody has accepted yet.
    pub(crate) fn listen(&self, backlog: i32) -> io::Result<()> {
        self.sockets
            .iter()
            .try_for_each(|socket| socket.listen(backlog))
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

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
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

fn of_address(address: SocketAddr) -> Endpoint {
    Endpoint::Inet {
        host: address.ip().to_string(),
        port: address.port(),
    }
}
