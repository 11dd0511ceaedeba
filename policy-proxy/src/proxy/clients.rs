//! The clients' side of a worker: their sockets, and the places that they take.

use std::{io, mem, sync::Arc, time::Duration};

use mio::{Registry, event::Event};
use policy_flow::{ClientId, Peer, Sent, Waiting};

use crate::{
    journal::admission::Evicted,
    proxy::{
        Proxy,
        driver::ClientSide,
        flow_io::FlowIo,
        message::{Context, Message},
        socket::{NewSocket, Read, Side, Table},
    },
};

/// The clients of one worker.
#[derive(Debug)]
pub(crate) struct ClientSockets {
    table: Table,
    proxy: Arc<Proxy>,
    context: Arc<Context>,
    /// Those that have more to be read.
    resumed: Vec<ClientId>,
}

impl ClientSockets {
    pub(crate) const fn new(
        registry: Arc<Registry>,
        proxy: Arc<Proxy>,
        context: Arc<Context>,
    ) -> Self {
        Self {
            table: Table::new(Side::Clients, registry),
            proxy,
            context,
            resumed: Vec::new(),
        }
    }

    /// Its journal is this one's from now on.
    pub(super) fn set_proxy(&mut self, proxy: Arc<Proxy>) {
        self.proxy = proxy;
    }

    /// From now on the system tells of this client.
    pub(crate) fn open(&mut self, client: ClientId, socket: NewSocket) -> io::Result<()> {
        self.context.opened();
        self.table.open(client.index(), socket, false)
    }

    /// Whether some have more to be read.
    pub(crate) fn has_resumed(&self) -> bool {
        !self.resumed.is_empty()
    }
}

impl ClientSide for ClientSockets {
    fn send(&mut self, client: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        self.table.send(client.index(), bytes)
    }

    fn close(&mut self, client: ClientId) {
        self.context.closed();
        self.table.close(client.index());
    }

    fn leave(&mut self, client: ClientId) {
        self.context.closed();
        if let Some(socket) = self.table.leave(client.index()) {
            self.context.hand_off(socket);
        }
    }

    fn resume(&mut self, client: ClientId) {
        let connection = self.table.get(client.index());
        if connection.is_some_and(|connection| connection.is_readable()) {
            self.resumed.push(client);
        }
    }

    fn has_bytes(&mut self, client: ClientId) -> bool {
        let connection = self.table.get(client.index());
        connection.is_some_and(|connection| connection.has_bytes())
    }

    fn evicted(&mut self, peer: Peer, waiting: Waiting, time: Duration) {
        self.proxy.journal.evicted(&Evicted {
            all: self.context.max_clients(),
            peer,
            waiting,
            time,
        });
    }

    fn wake(&mut self, worker: usize) {
        self.context.workers().tell(worker, Message::Wake);
    }

    fn named(&self, peer: Peer) -> Option<Peer> {
        Some(peer)
    }
}

impl FlowIo<ClientSockets> {
    /// The system has told of something at a client's connection.
    pub(crate) fn client_event(&mut self, index: usize, event: &Event) {
        let table = &mut self.driver.clients.table;
        let Some(connection) = table.get(index) else {
            return;
        };
        connection.heard(event);
        let client = client(index);
        if event.is_writable() && connection.has_backlog() {
            match table.flush(index) {
                Ok(true) => self.flow.client_flushed(client, &mut self.driver),
                Ok(false) => {}
                Err(_) => return self.flow.client_gone(client, &mut self.driver),
            }
        }
        self.read_client(client);
        // It was reset, or both ways of a UNIX socket are closed. Over TCP a client that has merely ended its side
        // cannot be told from one that has gone, until something is sent.
        let is_gone = event.is_error() || event.is_write_closed();
        if is_gone && self.driver.clients.table.get(index).is_some() {
            self.flow.client_gone(client, &mut self.driver);
        }
    }

    /// Reads what may have come from a client, though the system has not told of it yet.
    pub(crate) fn look_at_client(&mut self, client: ClientId) {
        if let Some(connection) = self.driver.clients.table.get(client.index()) {
            connection.look();
            self.read_client(client);
        }
    }

    /// Reads what has come from clients that may be read from again.
    pub(crate) fn resume_clients(&mut self) {
        if self.driver.clients.has_resumed() {
            for client in mem::take(&mut self.driver.clients.resumed) {
                self.read_client(client);
            }
        }
    }

    fn read_client(&mut self, client: ClientId) {
        for _ in 0..READS {
            let clients = self.flow.clients();
            if !clients.is_reading(client) {
                return;
            }
            let room = clients.room(client).min(self.scratch.len());
            let Some(room) = self.scratch.get_mut(..room).filter(|room| !room.is_empty()) else {
                return;
            };
            let read = self.driver.clients.table.read(client.index(), room);
            let Read::Data(count) = read else {
                return self.no_request(client, &read);
            };
            let data = self.scratch.get(..count).unwrap_or_default();
            self.flow.client_data(client, data, &mut self.driver);
            if !self.driver.clients.table.is_readable(client.index()) {
                return;
            }
        }
        // Others have their turn, however much it sends.
        self.driver.clients.resume(client);
    }

    /// A client's connection has brought no data.
    #[cold]
    fn no_request(&mut self, client: ClientId, read: &Read) {
        match read {
            Read::Data(_) | Read::Nothing => {}
            Read::End => self.flow.client_ended(client, &mut self.driver),
            Read::Descriptors => {
                self.driver.proxy.journal.descriptors_sent();
                self.flow.client_gone(client, &mut self.driver);
            }
            Read::Failed(_) => self.flow.client_gone(client, &mut self.driver),
        }
    }
}

fn client(index: usize) -> ClientId {
    ClientId::from_index(u32::try_from(index).unwrap_or(u32::MAX))
}

/// How often one client is read from in a turn of the loop.
const READS: usize = 8;
