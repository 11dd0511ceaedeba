//! A socket that a daemon listens with, and its owners: this process, another daemon as well, or a service manager.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use policy_socket::Endpoint;
use socket2::Socket;

use super::{
    address::{ListenAddr, is_loopback},
    file::{Changed, SocketFile},
    handover_socket::HandoverSocket,
};
use crate::log::escaped;

/// The address of a socket that another process has bound.
pub(crate) fn endpoint_of(socket: &Socket) -> io::Result<Endpoint> {
    let address = socket.local_addr()?;
    Ok(match address.as_socket() {
        Some(address) => inet(address),
        None => Endpoint::Unix(match address.as_pathname() {
            Some(path) => path.to_owned(),
            // One in the abstract namespace is shown as other programs do it.
            None => {
                let name = address.as_abstract_namespace().unwrap_or_default();
                PathBuf::from(format!("@{}", escaped(name, MAX_NAME, |c| c == '\\')))
            }
        }),
    })
}

/// The listening socket of one address, which all workers share.
#[derive(Debug)]
pub struct ListenSocket {
    requested: ListenAddr,
    socket: Socket,
    source: Source,
    /// Another daemon has this socket as well: closing it for all would close it there.
    is_shared: AtomicBool,
    /// The file of a UNIX socket, which is removed at the end.
    file: Option<SocketFile>,
    /// The previous mode and owner of a predecessor's socket file, until the takeover is final.
    changed: Option<Changed>,
}

/// The process from which a socket comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// This process has bound it.
    Bound,
    /// The daemon before this one had it, and may still have it.
    Predecessor { is_manager_owned: bool },
    /// A service manager has bound it, and keeps it.
    Manager,
}

impl ListenSocket {
    pub(crate) fn bound(requested: &ListenAddr, socket: Socket, file: Option<SocketFile>) -> Self {
        Self::new(requested.clone(), socket, Source::Bound, file)
    }

    /// A socket of the daemon before this one, which owns it alone until [`commit`](Self::commit).
    pub(crate) fn inherited(requested: &ListenAddr, handed: HandoverSocket) -> io::Result<Self> {
        let is_manager_owned = handed.is_manager_owned;
        let file = match &requested.endpoint {
            Endpoint::Unix(path) if !is_manager_owned => {
                let mut file = SocketFile::at(path)?;
                file.adopt()?;
                Some(file)
            }
            _ => None,
        };
        let source = Source::Predecessor { is_manager_owned };
        let socket = Self::new(requested.clone(), handed.socket.keep()?, source, file);
        socket.is_shared.store(true, Relaxed);
        Ok(socket)
    }

    /// A socket that a service manager has bound and keeps.
    pub(crate) fn from_manager(socket: Socket) -> io::Result<Self> {
        let endpoint = endpoint_of(&socket)?;
        Ok(Self::new(endpoint.into(), socket, Source::Manager, None))
    }

    fn new(
        requested: ListenAddr,
        socket: Socket,
        source: Source,
        file: Option<SocketFile>,
    ) -> Self {
        Self {
            requested,
            socket,
            source,
            is_shared: AtomicBool::new(false),
            file,
            changed: None,
        }
    }

    /// Another descriptor of the socket, which does not block.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn listener(&self) -> io::Result<Socket> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// The address where it listens, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self.requested() {
            Endpoint::Inet { .. } => self.address().map(inet),
            unix => Ok(unix.clone()),
        }
    }

    /// Whether only this machine can reach it.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn is_local(&self) -> io::Result<bool> {
        match self.requested() {
            Endpoint::Inet { .. } => Ok(is_loopback(self.address()?.ip())),
            _ => Ok(true),
        }
    }

    /// Refuses new connections from now on, also on other descriptors of the socket. Where another process has the socket
    /// as well, connections wait there instead.
    pub fn refuse(&self) {
        if self.is_owned() {
            // A listening socket has no peer, so nothing can fail.
            _ = self.socket.shutdown(Shutdown::Both);
        }
    }

    /// The address on the command line.
    pub(crate) fn requested(&self) -> &Endpoint {
        &self.requested.endpoint
    }

    /// Whether clients can still reach it: the file of a UNIX socket may have been removed.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_in_place)
    }

    /// Whether it was asked for in the same way, its mode and its owner among that.
    pub(crate) fn is_requested_as(&self, address: &ListenAddr) -> bool {
        self.is_manager_owned() || self.requested == *address
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        Ok(address.ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether another process had it before this one: that process may still have it, and change its settings.
    pub(crate) const fn was_inherited(&self) -> bool {
        matches!(self.source, Source::Predecessor { .. })
    }

    /// Whether a service manager keeps it: the socket and its file outlive this process.
    pub(crate) const fn is_manager_owned(&self) -> bool {
        matches!(
            self.source,
            Source::Manager
                | Source::Predecessor {
                    is_manager_owned: true
                }
        )
    }

    /// Gives the file of a predecessor's socket the requested mode and owner. Dropping this before
    /// [`commit`](Self::commit) undoes that.
    pub(crate) fn apply_permissions(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file
            && self.is_shared.load(Relaxed)
        {
            file.check(&self.socket)?;
            self.changed = file.permit(self.requested.permissions(), &self.socket)?;
        }
        Ok(())
    }

    /// The takeover is final: the socket belongs to this process.
    pub(crate) fn commit(&mut self) {
        self.changed = None;
        self.unshare();
    }

    /// A descriptor for a successor, under a name that both know. From now on the socket is shared.
    pub(crate) fn share(&self, name: String) -> io::Result<HandoverSocket> {
        let handed = HandoverSocket {
            name,
            socket: self.socket.try_clone()?.into(),
            is_manager_owned: self.is_manager_owned(),
        };
        self.is_shared.store(true, Relaxed);
        Ok(handed)
    }

    /// The successor has not taken it.
    pub(crate) fn unshare(&self) {
        self.is_shared.store(false, Relaxed);
    }

    /// Removes the file of a UNIX socket that this process owns alone.
    pub(crate) fn remove(&self) {
        if let Some(file) = &self.file
            && self.is_owned()
        {
            file.remove();
        }
    }

    /// Whether no other process has it.
    fn is_owned(&self) -> bool {
        !self.is_manager_owned() && !self.is_shared.load(Relaxed)
    }
}

impl Drop for ListenSocket {
    fn drop(&mut self) {
        match &self.changed {
            Some(changed) => changed.undo(),
            None => self.remove(),
        }
    }
}

/// As many bytes as the address of a UNIX socket has, each of them escaped.
const MAX_NAME: usize = 4 * 108;

fn inet(address: SocketAddr) -> Endpoint {
    Endpoint::Inet {
        host: address.ip().to_string(),
        port: address.port(),
    }
}
