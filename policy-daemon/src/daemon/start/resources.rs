//! The resources that a daemon takes with the privileges of its starter, or from the daemon before it.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use socket2::Type;

use super::{
    activation::{Inherited, Rejected},
    sockets::{Sockets, handover_addr},
};
use crate::{
    daemon::restart::protocol::Predecessor,
    error::StartError,
    listen::{
        address::ListenAddr,
        set::{HANDOVER, ListenSet},
        socket::ListenSocket,
    },
    options::DaemonOptions,
    process::{
        owner::trusted_uids,
        privileges::{change_root, drop_capabilities, leave_starter, renounce_new_privileges},
        received::{self, ReceivedSocket},
        user::RunAs,
    },
    worker::MaxClients,
};

/// The resources of a daemon's start. Until they are [committed](Self::commit), dropping them leaves everything as it was.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) max_clients: MaxClients,
    pub(crate) sockets: ListenSet,
    predecessor: Option<Predecessor>,
    /// The cause where the predecessor hands nothing over.
    pub(crate) handover_error: Option<io::Error>,
    /// The users whose processes may take this one's place.
    pub(crate) trusted_uids: Vec<u32>,
    /// Connections to daemons before this one, which send their clients over them; there are none before the commit.
    pub(crate) predecessors: Vec<ReceivedSocket>,
    run_as: Option<RunAs>,
    /// What the program calls the option of `run_as`.
    user_option: &'static str,
    root: Option<PathBuf>,
    /// Connections that a service manager has kept.
    pub(crate) inherited_connections: Vec<OwnedFd>,
    /// Other descriptors that the manager has kept.
    pub(crate) rejected: Rejected,
}

impl Resources {
    pub(crate) fn take(options: &DaemonOptions, inherited: Inherited) -> Result<Self, StartError> {
        let cannot_start = || StartError::system("cannot start");
        renounce_new_privileges().map_err(cannot_start())?;
        let run_as = options.run_as()?;
        let addresses = options.listen_addrs().collect::<Result<Vec<_>, _>>()?;
        options.check_listeners()?;
        let admin_addresses = options.admin_addrs().collect::<Result<Vec<_>, _>>()?;
        let control_address = options.control_addr()?;
        let passed = inherited.listening.len();
        let max_clients = options
            .capacity(&addresses, passed)
            .map_err(cannot_start())?;
        let trusted_uids = trusted_uids();
        let (mut predecessor, handover_error) = match &options.handover {
            None => (None, None),
            Some(path) => {
                options.check_handover()?;
                let listened = addresses.iter().chain(&admin_addresses);
                let listened = listened.chain(&control_address);
                match find_predecessor(path, listened, &trusted_uids) {
                    Ok(found) => (found, None),
                    Err(error) => (None, Some(error)),
                }
            }
        };
        let mut sockets = Sockets {
            options,
            predecessor: &mut predecessor,
        };
        let clients = sockets.for_clients(inherited.listening, addresses)?;
        let admin = sockets.for_admin(&admin_addresses)?;
        let control = control_address.map(|address| sockets.for_control(&address));
        let control = control.transpose()?;
        let handover = options.handover.as_deref();
        let handover = handover
            .map(|path| sockets.for_handover(path))
            .transpose()?;
        if run_as.is_none() {
            drop_capabilities().map_err(cannot_start())?;
        }
        Ok(Self {
            max_clients,
            sockets: ListenSet::new(clients, admin, control, handover),
            predecessor,
            handover_error,
            trusted_uids,
            predecessors: Vec::new(),
            run_as,
            user_option: options.names.user,
            root: options.root.clone(),
            inherited_connections: inherited.connections,
            rejected: inherited.rejected,
        })
    }

    /// Whether the daemon keeps root's privileges.
    pub(crate) fn stays_root(&self) -> bool {
        match &self.run_as {
            Some(run_as) => run_as.uid.is_root(),
            None => geteuid().is_root(),
        }
    }

    /// Gives up the privileges, and releases the predecessor. To be called when nothing else can fail.
    pub(crate) fn commit(&mut self) -> Result<(), StartError> {
        if let Some(predecessor) = &self.predecessor {
            let held = predecessor.hold();
            held.map_err(StartError::system("cannot take over"))?;
        }
        for socket in self.sockets.all_mut() {
            let applied = socket.apply_permissions();
            applied.map_err(StartError::system(format!(
                "cannot bind {}",
                socket.requested()
            )))?;
        }
        self.change_root_and_user()?;
        if let Some(predecessor) = self.predecessor.take() {
            self.predecessors = predecessor.release();
        }
        self.sockets.all_mut().for_each(ListenSocket::commit);
        received::stop_deferring(self.rejected.take_numbers());
        Ok(())
    }

    fn change_root_and_user(&self) -> Result<(), StartError> {
        let run_as = self.run_as.as_ref();
        let failed =
            |run_as: &RunAs| StartError::system(format!("{} {}", self.user_option, run_as.text));
        if let Some(run_as) = run_as
            && geteuid().is_root()
        {
            leave_starter().map_err(failed(run_as))?;
        }
        if let Some(root) = &self.root {
            let failed = StartError::system(format!("chroot {}", root.display()));
            change_root(root).map_err(failed)?;
        }
        if let Some(run_as) = run_as {
            run_as.apply().map_err(failed(run_as))?;
        }
        Ok(())
    }
}

/// The daemon that answers at this path, if all that it hands over is what it should be.
fn find_predecessor<'a>(
    path: &Path,
    addresses: impl Iterator<Item = &'a ListenAddr>,
    trusted: &[u32],
) -> io::Result<Option<Predecessor>> {
    let Some(found) = Predecessor::find(path, trusted)? else {
        return Ok(None);
    };
    let handover = handover_addr(path);
    let named = |address: &ListenAddr| address.endpoint.to_string();
    let mut wanted: Vec<_> = addresses
        .map(|address| (named(address), address, Type::STREAM))
        .collect();
    wanted.push((HANDOVER.to_owned(), &handover, Type::SEQPACKET));
    found.check(&wanted, trusted)?;
    Ok(Some(found))
}
