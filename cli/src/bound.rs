use std::{
    fs::{self, Metadata},
    io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use policy_net::{Endpoint, Listener, UnixListener};
use socket2::Socket;
use tokio::net::TcpListener;

use crate::{Listen, handover::Handed, listen::is_loopback};

/// The listening sockets of one endpoint: over TCP one for each worker, among which the system shares
/// out connections, else one for all. Those of a predecessor stay as many as they are: one more would
/// get connections at once, and lose them if this daemon did not start.
#[derive(Debug)]
pub struct Bound {
    asked: Listen,
    /// At least one.
    sockets: Vec<Socket>,
    /// The inode of a UNIX socket's file, which is to be removed at the end.
    inode: Option<u64>,
    /// A service manager keeps the sockets, and only passes them: they and their file outlive this.
    is_kept: bool,
    /// Another daemon has these sockets too: what is done to them is done to those.
    is_shared: AtomicBool,
    /// What the file of a predecessor's socket was like, as long as that may go on with it.
    before: Option<Metadata>,
}

impl Bound {
    pub(crate) fn new(asked: &Listen, sockets: Vec<Socket>) -> io::Result<Self> {
        let inode = match &asked.endpoint {
            Endpoint::Inet { .. } => None,
            Endpoint::Unix(path) => Some(fs::symlink_metadata(path)?.ino()),
        };
        Ok(Self {
            asked: asked.clone(),
            sockets,
            inode,
            is_kept: false,
            is_shared: AtomicBool::new(false),
            before: None,
        })
    }

    /// Sockets of the daemon before this one, and until [`own`](Self::own) its alone.
    pub(crate) fn adopted(asked: &Listen, handed: Handed) -> io::Result<Self> {
        let mut bound = Self::new(asked, handed.sockets)?;
        bound.is_kept = handed.is_kept;
        bound.is_shared = AtomicBool::new(true);
        Ok(bound)
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
        Ok(Self {
            asked: asked.into(),
            sockets: vec![socket],
            inode: None,
            is_kept: true,
            is_shared: AtomicBool::new(false),
            before: None,
        })
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
            Ok(match self.asked() {
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
        match self.asked() {
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
        match self.asked() {
            Endpoint::Inet { .. } => Ok(is_loopback(self.address()?.ip())),
            Endpoint::Unix(_) => Ok(true),
        }
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let socket = self.socket().ok_or(io::ErrorKind::NotConnected)?;
        let address = socket.local_addr()?.as_socket();
        Ok(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    /// Gives the file of a predecessor's socket the mode and the owner that are asked for now; if this
    /// is dropped before it is its own, they are as before.
    pub(crate) fn dress(&mut self) -> io::Result<()> {
        match &self.asked.endpoint {
            Endpoint::Unix(path) if self.is_shared.load(Relaxed) && !self.is_kept => {
                self.before = Some(fs::symlink_metadata(path)?);
                self.asked.dress(path)
            }
            _ => Ok(()),
        }
    }

    /// The predecessor goes: what it had is this one's.
    pub(crate) fn own(&mut self) {
        self.before = None;
        self.unshare();
    }

    /// Descriptors of its sockets for another process, with a name that both know them by; from now
    /// on they are not only its own.
    pub(crate) fn share(&self, name: String) -> io::Result<Handed> {
        let sockets = self.sockets.iter().map(Socket::try_clone);
        let handed = Handed {
            name,
            sockets: sockets.collect::<io::Result<_>>()?,
            is_kept: self.is_kept,
        };
        self.is_shared.store(true, Relaxed);
        Ok(handed)
    }

    /// The other process has not taken them.
    pub(crate) fn unshare(&self) {
        self.is_shared.store(false, Relaxed);
    }

    /// Whether a service manager keeps them.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether nobody else has them.
    fn is_own(&self) -> bool {
        !self.is_kept && !self.is_shared.load(Relaxed)
    }

    /// Refuses new connections from now on, whatever other descriptors of the sockets are open, unless
    /// another process has some: there they wait.
    pub fn refuse(&self) {
        if !self.is_own() {
            return;
        }
        for socket in &self.sockets {
            // It has no peer, so there is nothing that could fail.
            _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Removes the file of a UNIX socket that is its own.
    pub(crate) fn remove(&self) {
        if self.is_own()
            && let Endpoint::Unix(path) = self.asked()
            && fs::symlink_metadata(path).is_ok_and(|found| Some(found.ino()) == self.inode)
        {
            // Another process may not be allowed to; the next start replaces it.
            _ = fs::remove_file(path);
        }
    }

    /// What it was asked to be, as said in an error.
    pub(crate) fn asked(&self) -> &Endpoint {
        &self.asked.endpoint
    }

    /// Its first socket.
    pub(crate) fn socket(&self) -> Option<&Socket> {
        self.sockets.first()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        match (&self.before, self.asked()) {
            (Some(before), Endpoint::Unix(path)) => {
                // Where it cannot be undone it could not be done.
                _ = lchown(path, Some(before.uid()), Some(before.gid()));
                _ = fs::set_permissions(path, before.permissions());
            }
            _ => self.remove(),
        }
    }
}

fn of_address(address: SocketAddr) -> Endpoint {
    Endpoint::Inet {
        host: address.ip().to_string(),
        port: address.port(),
    }
}
