//! A socket that a daemon listens with, and whose it is: its own, shared with another daemon, or a service manager's.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use policy_socket::Endpoint;
use socket2::Socket;

use crate::daemon::{
    listen::{
        address::{Listen, is_loopback},
        file::{Changed, SocketFile},
    },
    restart::handed::Handed,
};

/// The listening socket of one endpoint, which all workers share.
#[derive(Debug)]
pub struct Bound {
    asked: Listen,
    socket: Socket,
    /// The file of a UNIX socket, which is removed at the end.
    file: Option<SocketFile>,
    /// A service manager keeps the socket, and only passes it: it and its file outlive this.
    is_kept: bool,
    /// Another daemon has this socket too: what is done to it is done to that one's.
    is_shared: AtomicBool,
    /// Another process had it before this one, and may still have it.
    was_adopted: bool,
    /// What was changed in the file of a predecessor's socket, as long as that may go on with it.
    changed: Option<Changed>,
}

impl Bound {
    pub(crate) fn new(asked: &Listen, socket: Socket, file: Option<SocketFile>) -> Self {
        Self {
            asked: asked.clone(),
            socket,
            file,
            is_kept: false,
            is_shared: AtomicBool::new(false),
            was_adopted: false,
            changed: None,
        }
    }

    /// A socket of the daemon before this one, and until [`own`](Self::own) its alone.
    pub(crate) fn adopted(asked: &Listen, handed: Handed) -> io::Result<Self> {
        let file = match &asked.endpoint {
            Endpoint::Unix(path) if !handed.is_kept => {
                let mut file = SocketFile::at(path)?;
                file.adopt()?;
                Some(file)
            }
            _ => None,
        };
        let mut bound = Self::new(asked, handed.socket.keep()?, file);
        bound.is_kept = handed.is_kept;
        bound.is_shared = AtomicBool::new(true);
        bound.was_adopted = true;
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
        let mut bound = Self::new(&asked.into(), socket, None);
        bound.is_kept = true;
        Ok(bound)
    }

    /// Whether another process had it before this one, and may still have it: whatever is set for it may be changed.
    pub(crate) const fn was_adopted(&self) -> bool {
        self.was_adopted
    }

    /// Another descriptor of its socket, which does not block.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn listener(&self) -> io::Result<Socket> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(socket)
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
        let address = self.socket.local_addr()?.as_socket();
        Ok(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    /// Gives the file of a predecessor's socket the mode and the owner that are asked for now; if this
    /// is dropped before it is its own, they are as before.
    pub(crate) fn dress(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file
            && self.is_shared.load(Relaxed)
        {
            file.check(&self.socket)?;
            self.changed = file.permit(self.asked.permission(), &self.socket)?;
        }
        Ok(())
    }

    /// The predecessor goes: what it had is this one's.
    pub(crate) fn own(&mut self) {
        self.changed = None;
        self.unshare();
    }

    /// A descriptor of its socket for another process, with a name that both know it by; from now
    /// on it is not only its own.
    pub(crate) fn share(&self, name: String) -> io::Result<Handed> {
        let handed = Handed {
            name,
            socket: self.socket.try_clone()?.into(),
            is_kept: self.is_kept,
        };
        self.is_shared.store(true, Relaxed);
        Ok(handed)
    }

    /// The other process has not taken it.
    pub(crate) fn unshare(&self) {
        self.is_shared.store(false, Relaxed);
    }

    /// Whether a service manager keeps it.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether nobody else has it.
    fn is_own(&self) -> bool {
        !self.is_kept && !self.is_shared.load(Relaxed)
    }

    /// Refuses new connections from now on, whatever other descriptors of the socket are open, unless
    /// another process has one: there they wait.
    pub fn refuse(&self) {
        if self.is_own() {
            // It has no peer, so there is nothing that could fail.
            _ = self.socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Removes the file of a UNIX socket that is its own.
    pub(crate) fn remove(&self) {
        if let Some(file) = &self.file
            && self.is_own()
        {
            file.remove();
        }
    }

    /// What it was asked to be, as said in an error.
    pub(crate) fn asked(&self) -> &Endpoint {
        &self.asked.endpoint
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        match &self.changed {
            Some(changed) => changed.undo(),
            None => self.remove(),
        }
    }
}

fn of_address(address: SocketAddr) -> Endpoint {
    Endpoint::Inet {
        host: address.ip().to_string(),
        port: address.port(),
    }
}
