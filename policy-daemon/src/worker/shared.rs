//! The state that all workers of a daemon share.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
    },
};

use ipnet::IpNet;
use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};
use policy_socket::Peer;
use rustix::io::ioctl_fionbio;

use super::{
    admission::{Admission, NotAllowed, Origin},
    handoff::ConnectionHandoff,
    max_clients::MaxClients,
    workers::Workers,
};
use crate::{
    log::{ALL, Level, Suppressor},
    process::watchdog::Watchdog,
};

/// The state that all workers of a daemon share.
#[derive(Debug)]
pub(crate) struct Shared<M> {
    pub(crate) workers: Workers<M>,
    pub(crate) handoff: ConnectionHandoff,
    pub(crate) log: Arc<Suppressor>,
    pub(crate) max_clients: MaxClients,
    pub(super) watchdog: Option<Arc<Watchdog>>,
    admission: Admission,
    admin_admission: Admission,
    /// Why a client is not let in, as the log says it.
    refusal: &'static str,
    /// The process that is about to take over, or 0. It connects only to check whose socket this is.
    successor: AtomicI32,
    is_stopping: AtomicBool,
}

impl<M> Shared<M> {
    pub(crate) fn new(
        workers: usize,
        allow: Vec<IpNet>,
        max_clients: MaxClients,
        log: Arc<Suppressor>,
    ) -> io::Result<Self> {
        Ok(Self {
            workers: Workers::new(workers)?,
            handoff: ConnectionHandoff::default(),
            max_clients,
            watchdog: Watchdog::start(workers, log.log())?,
            log,
            admin_admission: Admission::new(allow.clone()),
            admission: Admission::new(allow),
            refusal: "not in --allow",
            successor: AtomicI32::new(0),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The same, with other networks that may see the admin listener.
    pub(crate) fn with_admin_allow(mut self, allow: Vec<IpNet>) -> Self {
        self.admin_admission = Admission::new(allow);
        self
    }

    /// From now on the daemon ends: the requests in progress are its last ones.
    pub(crate) fn set_stopping(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Whether the daemon ends.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    /// The same, of a program that has no `--allow`, where the error about listeners is another one.
    pub(crate) fn with_allow_hint(mut self, hint: &str) -> Self {
        if !hint.is_empty() {
            self.refusal = "not allowed";
        }
        self
    }

    /// Has the workers serve connections that another process has accepted.
    pub(crate) fn take(&self, connections: Vec<OwnedFd>) {
        for connection in connections {
            // A client that is gone has no address.
            if let Some(peer) = Peer::of(&connection)
                && self.allows(peer, Origin::Handoff)
                && ioctl_fionbio(&connection, true).is_ok()
            {
                self.workers.take(connection);
            }
        }
    }

    /// The process that is about to take over, if there is one.
    pub(crate) fn set_successor(&self, process: Option<i32>) {
        self.successor.store(process.unwrap_or(0), Relaxed);
    }

    /// Whether this client is served; if not, the log says why.
    pub(crate) fn allows(&self, peer: Peer, origin: Origin) -> bool {
        self.log_check(self.admission.check(peer, origin))
    }

    /// Whether this client may see the admin listener; if not, the log says why.
    pub(crate) fn allows_admin(&self, peer: Peer, origin: Origin) -> bool {
        self.log_check(self.admin_admission.check(peer, origin))
    }

    fn log_check(&self, checked: Result<(), NotAllowed>) -> bool {
        if let Err(NotAllowed(address)) = checked {
            let text = format!("closing a connection from {address}: {}", self.refusal);
            self.log.line(Level::Warning, "not allowed", ALL, text);
        }
        checked.is_ok()
    }

    /// Whether this is a connection of the process that is about to take over.
    pub(super) fn is_successors(&self, connection: &impl AsFd, peer: Peer) -> bool {
        let process = self.successor.load(Relaxed);
        let is_its = |peer: UnixCredentials| peer.pid() == process;
        process != 0
            && matches!(peer, Peer::User(_))
            && getsockopt(connection, PeerCredentials).is_ok_and(is_its)
    }
}
