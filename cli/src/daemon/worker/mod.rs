//! What the workers of a daemon share, and who is let in.

pub(crate) mod admission;
pub(crate) mod handoff;
pub(crate) mod max_clients;
pub(crate) mod standby;
pub(crate) mod workers;

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
};

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};
use policy_flow::{Peer, Places, RequestMemory};

use crate::{
    daemon::{
        process::systemd::Pulses,
        worker::{
            admission::{Admission, Door, peer_of},
            handoff::Passing,
            max_clients::MaxClients,
            workers::Crew,
        },
    },
    journal::shortage::MemoryWaits,
    proxy::Proxy,
};

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) crew: Crew,
    pub(crate) admission: Admission,
    pub(crate) places: Places,
    /// What requests may take in memory.
    pub(crate) memory: RequestMemory,
    /// How short of it each worker is.
    pub(crate) memory_waits: Vec<MemoryWaits>,
    pub(crate) max_clients: MaxClients,
    pub(crate) passing: Passing,
    pub(crate) pulses: Option<Arc<Pulses>>,
    /// The process that is about to take over, or 0: it connects only to make sure whose socket this is.
    pub(crate) successor: AtomicI32,
}

impl Common {
    /// Has the workers serve connections that another process has accepted: that may have let in others.
    pub(crate) fn take(&self, connections: Vec<OwnedFd>) {
        for connection in connections {
            // Who has gone has no address any more.
            if let Some(peer) = peer_of(&connection)
                && self.allows(peer, Door::Passed)
                && rustix::io::ioctl_fionbio(&connection, true).is_ok()
            {
                self.crew.take(connection);
            }
        }
    }

    /// Whether this client is served at all; else it is said why not.
    pub(crate) fn allows(&self, peer: Peer, door: Door) -> bool {
        let allowed = self.admission.allows(peer, door);
        if let Err(refusal) = &allowed {
            self.proxy.journal.turned_away(refusal);
        }
        allowed.is_ok()
    }

    /// Whether this is a connection of the process that is about to take over.
    pub(crate) fn is_successors(&self, connection: &impl AsFd, peer: Peer) -> bool {
        let process = self.successor.load(Relaxed);
        let is_its = |peer: UnixCredentials| peer.pid() == process;
        process != 0
            && matches!(peer, Peer::User(_))
            && getsockopt(connection, PeerCredentials).is_ok_and(is_its)
    }
}
