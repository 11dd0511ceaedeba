//! All sockets that a daemon listens with, while it serves, hands them over or ends.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use socket2::Socket;

use crate::daemon::{
    listen::socket::Bound,
    restart::{handed::Handed, protocol::HANDOVER},
};

/// All sockets that a daemon listens with.
#[derive(Debug)]
pub(crate) struct Listening {
    clients: Vec<Bound>,
    /// Where others call for a handover.
    calls: Option<Bound>,
    /// Whether whoever connects is refused: then it is too late for a successor.
    has_ended: Mutex<bool>,
}

impl Listening {
    pub(crate) fn new(clients: Vec<Bound>, calls: Option<Bound>) -> Self {
        Self {
            clients,
            calls,
            has_ended: Mutex::new(false),
        }
    }

    /// Those for clients.
    pub(crate) fn clients(&self) -> &[Bound] {
        &self.clients
    }

    /// That for calls.
    pub(crate) fn calls(&self) -> Option<&Socket> {
        self.calls.as_ref().map(Bound::socket)
    }

    /// Whether a service manager keeps some of them.
    pub(crate) fn is_kept(&self) -> bool {
        self.all().any(Bound::is_kept)
    }

    /// All, to be made its own.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Bound> {
        self.clients.iter_mut().chain(&mut self.calls)
    }

    /// All, for a successor.
    pub(crate) fn share(&self) -> io::Result<Vec<Handed>> {
        match *self.has_ended() {
            // They listen no more.
            true => Err(io::ErrorKind::NotConnected.into()),
            false => {
                let clients = self.clients.iter();
                let named = clients.map(|bound| (bound, bound.asked().to_string()));
                let calls = self.calls.iter();
                let named = named.chain(calls.map(|bound| (bound, HANDOVER.to_owned())));
                named.map(|(bound, name)| bound.share(name)).collect()
            }
        }
    }

    /// The successor has not taken them.
    pub(crate) fn unshare(&self) {
        let has_ended = self.has_ended();
        self.all().for_each(Bound::unshare);
        if *has_ended {
            // Nobody will come any more.
            self.all().for_each(Bound::refuse);
        }
    }

    /// Refuses who connects, unless somebody else has the sockets.
    pub(crate) fn end(&self) {
        let mut has_ended = self.has_ended();
        *has_ended = true;
        self.all().for_each(Bound::refuse);
    }

    /// Removes the files of UNIX sockets that are its own.
    pub(crate) fn remove(&self) {
        self.all().for_each(Bound::remove);
    }

    fn all(&self) -> impl Iterator<Item = &Bound> {
        self.clients.iter().chain(&self.calls)
    }

    fn has_ended(&self) -> MutexGuard<'_, bool> {
        // Nothing that holds the lock can panic half-way.
        self.has_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::daemon::listen::address::Listen;

    #[test]
    fn what_has_ended_is_not_shared_and_what_is_shared_ends_when_it_is_not_any_more() {
        let bind = || {
            let listen: Listen = "inet:127.0.0.1:0".parse().unwrap();
            let bound = listen.bind().unwrap();
            let address = bound[0].address().unwrap();
            (Listening::new(bound, None), address)
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
        assert!(TcpStream::connect(address).is_err(), "whoever has some");
        drop(shared);
    }
}
