//! The connections of one side, each under the number that the state machine has given it.

use std::{io, os::fd::OwnedFd, sync::Arc};

use mio::{Registry, Token};
use policy_flow::Sent;

use super::{Connection, NewSocket, Read, Side};

/// The connections of one side.
#[derive(Debug)]
pub(crate) struct Table {
    side: Side,
    places: Vec<Connection>,
    registry: Arc<Registry>,
}

impl Table {
    pub(crate) const fn new(side: Side, registry: Arc<Registry>) -> Self {
        Self {
            side,
            places: Vec::new(),
            registry,
        }
    }

    /// From now on the system tells of this connection.
    pub(crate) fn open(
        &mut self,
        index: usize,
        socket: NewSocket,
        is_connecting: bool,
    ) -> io::Result<()> {
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || Connection::FREE);
        }
        let token = self.side.token(index);
        match self.places.get_mut(index) {
            Some(place) => place.register(socket, is_connecting, token, &self.registry),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The connection with this number, if it is open.
    pub(crate) fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.places.get_mut(index).filter(|place| place.is_open())
    }

    /// Whether something may have come over this connection that has not been read.
    pub(crate) fn is_readable(&self, index: usize) -> bool {
        let connection = self.places.get(index);
        connection.is_some_and(|connection| connection.is_readable())
    }

    pub(crate) fn read(&mut self, index: usize, room: &mut [u8]) -> Read {
        self.get(index)
            .map_or(Read::Nothing, |connection| connection.read(room))
    }

    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) -> io::Result<Sent> {
        let token = self.token(index);
        match self.places.get_mut(index) {
            Some(connection) => connection.send(bytes, token, &self.registry),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn flush(&mut self, index: usize) -> io::Result<bool> {
        let token = self.token(index);
        match self.places.get_mut(index) {
            Some(connection) => connection.flush(token, &self.registry),
            None => Ok(false),
        }
    }

    pub(crate) fn close(&mut self, index: usize) {
        if let Some(connection) = self.places.get_mut(index) {
            connection.close(&self.registry);
        }
    }

    pub(crate) fn leave(&mut self, index: usize) -> Option<OwnedFd> {
        self.places.get_mut(index)?.leave(&self.registry)
    }

    fn token(&self, index: usize) -> Token {
        self.side.token(index)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream, time::Duration};

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn the_system_tells_nothing_of_a_closed_connection_that_another_process_has_as_well() {
        let mut poll = Poll::new().unwrap();
        let registry = Arc::new(poll.registry().try_clone().unwrap());
        let mut table = Table::new(Side::Clients, registry);
        let (mut client, server) = UnixStream::pair().unwrap();
        let _others = server.try_clone().unwrap();
        table
            .open(
                0,
                NewSocket::of_other_process(server.into()).unwrap(),
                false,
            )
            .unwrap();
        table.close(0);
        // It may be shut down.
        _ = client.write_all(b"request=");
        drop(client);
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}
