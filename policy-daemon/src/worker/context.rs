//! A worker's view of its daemon.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use policy_socket::Peer;

use super::{
    admission::Origin,
    inbox::{Inbox, MadeBy, Message, Transfer},
    listener::Listener,
    max_clients::MaxClients,
    shared::Shared,
    workers::Workers,
};
use crate::{
    listen::socket::ListenSocket,
    log::{Log, Suppressor},
};

/// A worker's view of its daemon: its listeners, its inbox, and the calls by which it takes part.
///
/// A worker waits for its [listeners](Self::take_listeners) and its [inbox](Self::inbox), whatever its event loop is. It
///
/// - asks [`admit`](Self::admit) about each connection that it accepts,
/// - reports each connection that it begins to serve with [`opened`](Self::opened), and its end with
///   [`closed`](Self::closed),
/// - gives each connection that is between two requests to [`hand_off`](Self::hand_off) when it
///   [drains](Message::Drain),
/// - calls [`beat`](Self::beat) every [`beat_interval`](Self::beat_interval).
#[derive(Debug)]
pub struct WorkerContext<M> {
    shared: Arc<Shared<M>>,
    index: usize,
    inbox: Arc<Inbox<Message<M>>>,
    listeners: Vec<Listener>,
}

impl<M> WorkerContext<M> {
    pub(crate) fn new(
        shared: &Arc<Shared<M>>,
        index: usize,
        sockets: &[ListenSocket],
    ) -> io::Result<Self> {
        let listeners: io::Result<_> = sockets.iter().map(Listener::new).collect();
        Ok(Self {
            inbox: Arc::clone(shared.workers.inbox(index)?),
            listeners: listeners?,
            shared: Arc::clone(shared),
            index,
        })
    }

    /// The context of a single worker without a daemon, for tests of a worker: it has no listeners.
    ///
    /// # Errors
    ///
    /// Errors of the system: descriptors have run out.
    pub fn alone(log: Log, max_clients: usize) -> io::Result<Self> {
        let log = Arc::new(Suppressor::new(log));
        let shared = Shared::new(1, Vec::new(), max_clients.into(), log)?;
        Self::new(&Arc::new(shared), 0, &[])
    }

    /// The number of this worker, counted from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// All workers, which can be told messages of the service.
    #[must_use]
    pub fn workers(&self) -> &Workers<M> {
        &self.shared.workers
    }

    /// Takes the listeners out, in the order of the command line. Dropping them ends this worker's part in accepting.
    pub fn take_listeners(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.listeners)
    }

    /// The inbox, whose descriptor the worker waits for.
    #[must_use]
    pub fn inbox(&self) -> &Arc<Inbox<Message<M>>> {
        &self.inbox
    }

    /// Swaps the messages in the inbox with an empty list.
    pub fn take_messages(&self, list: &mut Vec<Message<M>>) {
        self.shared.workers.take_messages(self.index, list);
    }

    /// The connection that this worker has accepted, if it is to serve it. `None` where the client is not allowed, or
    /// where another worker serves it.
    #[must_use]
    pub fn admit(&self, connection: OwnedFd, peer: Peer, origin: Origin) -> Option<OwnedFd> {
        // A process that only checks whose socket this is takes no place.
        if self.shared.is_successors(&connection, peer) || !self.shared.allows(peer, origin) {
            return None;
        }
        self.shared.workers.share_out(self.index, connection)
    }

    /// Gives a connection for which this worker has no place to the next worker; it comes back when all have refused it.
    #[must_use]
    pub fn pass_on(&self, transfer: Transfer) -> Option<Transfer> {
        self.shared.workers.pass_on(self.index, transfer)
    }

    /// Has the workers serve a connection that another process has accepted, as a handover does.
    pub fn take(&self, connection: OwnedFd) {
        self.shared.take(vec![connection]);
    }

    /// Whether all workers together serve fewer than [`max_clients`](Self::max_clients). Where several workers ask at once,
    /// each of them may open one connection more.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.shared.workers.connections() < self.shared.max_clients.number()
    }

    /// This worker serves one connection more.
    pub fn opened(&self) {
        self.shared.workers.opened(self.index);
    }

    /// This worker serves one connection fewer.
    pub fn closed(&self) {
        self.shared.workers.closed(self.index);
    }

    /// Gives a connection between two requests to the process that continues the service, or closes it where there is
    /// none.
    pub fn hand_off(&self, connection: OwnedFd) {
        self.shared.handoff.send(connection);
    }

    /// The clients that there may be at once, of all workers together.
    #[must_use]
    pub fn max_clients(&self) -> MaxClients {
        self.shared.max_clients
    }

    /// The log, which repeats no line within 10 s.
    #[must_use]
    pub fn log(&self) -> &Arc<Suppressor> {
        &self.shared.log
    }

    /// How often the service manager's watchdog wants [`beat`](Self::beat) called, if there is one.
    #[must_use]
    pub fn beat_interval(&self) -> Option<Duration> {
        let watchdog = self.shared.watchdog.as_ref()?;
        Some(watchdog.interval)
    }

    /// Shows that this worker's loop turns.
    pub fn beat(&self) {
        if let Some(watchdog) = &self.shared.watchdog {
            watchdog.beat(self.index);
        }
    }
}

impl Transfer {
    /// A connection that this worker has accepted itself.
    #[must_use]
    pub const fn accepted(connection: OwnedFd) -> Self {
        Self {
            connection,
            refusals: 0,
            made_by: MadeBy::ThisProcess,
        }
    }
}
