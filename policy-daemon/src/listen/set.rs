//! The set of sockets that a daemon listens with: while it serves, hands them over, or ends.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use socket2::Socket;

use super::{handover_socket::HandoverSocket, socket::ListenSocket};

/// All sockets that a daemon listens with.
#[derive(Debug)]
pub(crate) struct ListenSet {
    clients: Mutex<Clients>,
    /// Those of `--admin`.
    admin: Vec<ListenSocket>,
    /// That of `--control`.
    control: Option<ListenSocket>,
    /// The socket over which a successor asks for a handover.
    handover: Option<ListenSocket>,
}

/// The sockets for clients, which may change while the daemon serves.
#[derive(Debug)]
struct Clients {
    sockets: Vec<ListenSocket>,
    /// New connections are refused: too late for a successor.
    has_ended: bool,
}

impl ListenSet {
    pub(crate) fn new(
        clients: Vec<ListenSocket>,
        admin: Vec<ListenSocket>,
        control: Option<ListenSocket>,
        handover: Option<ListenSocket>,
    ) -> Self {
        let clients = Clients {
            sockets: clients,
            has_ended: false,
        };
        Self {
            clients: Mutex::new(clients),
            admin,
            control,
            handover,
        }
    }

    /// Does something with the sockets for clients, which do not change meanwhile.
    pub(crate) fn with_clients<T>(&self, act: impl FnOnce(&[ListenSocket]) -> T) -> T {
        act(&self.clients().sockets)
    }

    /// Listens with these sockets for clients as well from now on, and with those only that are kept, which are told by
    /// their places. The others are closed, and the files of UNIX sockets among them are removed.
    pub(crate) fn exchange(&self, kept: &[bool], new: Vec<ListenSocket>) {
        let mut clients = self.clients();
        let mut kept = kept.iter();
        clients
            .sockets
            .retain(|_| kept.next().copied().unwrap_or(true));
        clients.sockets.extend(new);
    }

    /// The sockets of `--admin`.
    pub(crate) fn admin(&self) -> &[ListenSocket] {
        &self.admin
    }

    /// The socket of `--control`.
    pub(crate) fn control(&self) -> Option<&ListenSocket> {
        self.control.as_ref()
    }

    /// The socket for handovers.
    pub(crate) fn handover(&self) -> Option<&Socket> {
        self.handover.as_ref().map(ListenSocket::socket)
    }

    /// Whether a service manager keeps one of them.
    pub(crate) fn has_manager_owned(&self) -> bool {
        let is_one = |sockets: &[ListenSocket]| sockets.iter().any(ListenSocket::is_manager_owned);
        self.with_clients(is_one) || self.others().any(ListenSocket::is_manager_owned)
    }

    /// All of them, to be committed.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut ListenSocket> {
        let clients = self.clients.get_mut();
        let clients = clients.unwrap_or_else(PoisonError::into_inner);
        let clients = clients.sockets.iter_mut().chain(&mut self.admin);
        clients.chain(&mut self.control).chain(&mut self.handover)
    }

    /// Descriptors of all of them, for a successor.
    pub(crate) fn share(&self) -> io::Result<Vec<HandoverSocket>> {
        // Held to the end: they do not stop listening meanwhile.
        let clients = self.clients();
        if clients.has_ended {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let named = clients
            .sockets
            .iter()
            .chain(&self.admin)
            .chain(&self.control);
        let named = named.map(|socket| (socket, socket.requested().to_string()));
        let handover = self.handover.iter();
        let named = named.chain(handover.map(|socket| (socket, HANDOVER.to_owned())));
        named.map(|(socket, name)| socket.share(name)).collect()
    }

    /// The successor has not taken them.
    pub(crate) fn unshare(&self) {
        let clients = self.clients();
        let all = || clients.sockets.iter().chain(self.others());
        all().for_each(ListenSocket::unshare);
        if clients.has_ended {
            // No worker accepts any more.
            all().for_each(ListenSocket::refuse);
        }
    }

    /// Refuses new connections, unless another process has the sockets. Those of `--admin` and `--control`
    /// serve to the end: a daemon that stops says so there.
    pub(crate) fn end(&self) {
        let mut clients = self.clients();
        clients.has_ended = true;
        let sockets = clients.sockets.iter();
        sockets.chain(&self.handover).for_each(ListenSocket::refuse);
    }

    /// Removes the files of UNIX sockets that belong to this process alone.
    pub(crate) fn remove(&self) {
        let clients = self.clients();
        let sockets = clients.sockets.iter();
        sockets.chain(self.others()).for_each(ListenSocket::remove);
    }

    /// Those that are not for clients.
    fn others(&self) -> impl Iterator<Item = &ListenSocket> {
        self.admin.iter().chain(&self.control).chain(&self.handover)
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // No holder of the lock can panic half-way.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the socket for handovers among those that are handed over.
pub(crate) const HANDOVER: &str = "handover";

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::listen::address::ListenAddr;

    #[test]
    fn ended_sockets_are_not_shared_and_shared_sockets_end_when_the_successor_has_not_taken_them() {
        let bind = || {
            let listen: ListenAddr = "inet:127.0.0.1:0".parse().unwrap();
            let bound = listen.bind().unwrap();
            let address = bound[0].address().unwrap();
            (ListenSet::new(bound, Vec::new(), None, None), address)
        };
        let (first, address) = bind();
        first.end();
        assert!(TcpStream::connect(address).is_err());
        assert!(first.share().is_err());

        let (second, address) = bind();
        let shared = second.share().unwrap();
        second.end();
        assert!(TcpStream::connect(address).is_ok());
        second.unshare();
        assert!(TcpStream::connect(address).is_err(), "it has ended");
        drop(shared);
    }
}
