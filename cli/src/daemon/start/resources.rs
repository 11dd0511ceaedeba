//! What a daemon takes with the rights with which it was started, or from the daemon before it.

use std::{io, num::NonZeroUsize, os::fd::OwnedFd, path::Path};

use rustix::process::geteuid;
use socket2::Type;

use crate::{
    args::Options,
    daemon::{
        error::StartError,
        listen::{address::Listen, directories::Directories, set::Listening, socket::Bound},
        process::{
            apart::{self, Apart},
            fd::{self, Room},
            owner::trusted_users,
            privileges::{drop_capabilities, renounce_new_rights},
            user::RunAs,
        },
        restart::protocol::{HANDOVER, Predecessor},
        start::{
            activation::{Passed, Rejected},
            sockets::{handover, handover_listen, listener, sockets},
        },
    },
};

/// What a daemon stands on: all that needs the rights with which it was started, or is taken from the
/// daemon before it.
#[derive(Debug)]
pub(crate) struct Ground {
    /// How many there are to be.
    pub(crate) workers: usize,
    /// Descriptors that are left for clients.
    pub(crate) room: Room,
    pub(crate) listening: Listening,
    predecessor: Option<Predecessor>,
    /// Why there is none, where there should be one.
    pub(crate) silence: Option<io::Error>,
    /// The users whose processes may take this one's place.
    pub(crate) trusted: Vec<u32>,
    /// Connections over which daemons before this one send their clients, once it is settled.
    pub(crate) earlier: Vec<Apart>,
    run_as: Option<RunAs>,
    /// Connections that a service manager kept.
    pub(crate) kept: Vec<OwnedFd>,
    /// What else that manager kept.
    pub(crate) rejected: Rejected,
}

impl Ground {
    pub(crate) fn take(
        options: &Options,
        passed: Passed,
        services: usize,
    ) -> Result<Self, StartError> {
        renounce_new_rights().map_err(StartError::system("cannot start"))?;
        let run_as = match &options.user {
            Some(user) => Some(RunAs::parse(user).ok_or_else(|| StartError::User(user.clone()))?),
            None => None,
        };
        let workers = workers(options);
        let listens = options.listen.iter().map(|text| listener(text, options));
        let listens = listens.collect::<Result<Vec<_>, _>>()?;
        let room = room(options, &listens, passed.listening.len(), services);
        let room = room.map_err(StartError::system("cannot start"))?;
        let trusted = trusted_users();
        let path = options.lifetime.handover.as_deref();
        let call = path.map(handover_listen);
        let found = match path.zip(call.as_ref()) {
            None => Ok(None),
            Some((path, call)) => {
                check_handover(path)?;
                predecessor(path, call, &listens, &trusted)
            }
        };
        let (mut predecessor, silence) = match found {
            Ok(found) => (found, None),
            Err(error) => (None, Some(error)),
        };
        let sockets = sockets(options, passed.listening, listens, &mut predecessor)?;
        let calls = path.zip(call.as_ref()).map(|(path, call)| {
            let bound = handover(path, call, &mut predecessor);
            bound.map_err(StartError::system(format!("--handover {}", path.display())))
        });
        let calls = calls.transpose()?;
        if run_as.is_none() {
            drop_capabilities().map_err(StartError::system("cannot start"))?;
        }
        Ok(Self {
            workers,
            room,
            listening: Listening::new(sockets, calls),
            predecessor,
            silence,
            trusted,
            earlier: Vec::new(),
            run_as,
            kept: passed.connections,
            rejected: passed.rejected,
        })
    }

    /// Whether it has root's rights to the end.
    pub(crate) fn stays_root(&self) -> bool {
        match &self.run_as {
            Some(run_as) => run_as.uid.is_root(),
            None => geteuid().is_root(),
        }
    }

    /// Gives up the rights, and lets the predecessor go. To be called when nothing else can fail.
    pub(crate) fn settle(&mut self) -> Result<(), StartError> {
        let held = self.predecessor.as_ref().map(Predecessor::hold);
        held.unwrap_or(Ok(())).map_err(not_released())?;
        for bound in self.listening.all_mut() {
            let dressed = bound.dress();
            dressed.map_err(StartError::system(format!("cannot bind {}", bound.asked())))?;
        }
        if let Some(run_as) = &self.run_as {
            let became = run_as.become_it();
            became.map_err(StartError::system(format!("--user {}", run_as.asked)))?;
        }
        if let Some(predecessor) = self.predecessor.take() {
            self.earlier = predecessor.release();
        }
        // Else they stay as they were.
        self.listening.all_mut().for_each(Bound::own);
        apart::begin(self.rejected.take_numbers());
        Ok(())
    }
}

/// How many workers there are to be.
pub(crate) fn workers(options: &Options) -> usize {
    options
        .workers
        .map_or(1, NonZeroUsize::get)
        .min(MAX_WORKERS)
}

/// What workers share has a bit for each of them.
const MAX_WORKERS: usize = 64;

/// How many clients there is room for beside all else that needs descriptors.
pub(crate) fn room(
    options: &Options,
    listens: &[Listen],
    passed: usize,
    services: usize,
) -> io::Result<Room> {
    // A worker has an event loop, and of each endpoint a listener.
    let sockets = |listen: &Listen| listen.addresses().map_or(1, |all| all.len().max(1));
    let endpoints = listens.iter().map(sockets).sum::<usize>() + passed;
    // Each has a socket, and over UNIX sockets a descriptor of its directory.
    let own = workers(options) * (endpoints + 6) + 2 * endpoints + 16;
    let upstream = services * options.failover.max_connections;
    fd::for_clients(own, upstream)
}

/// The daemon that answers at this path, if all that it hands over is what it should be.
fn predecessor(
    path: &Path,
    call: &Listen,
    listens: &[Listen],
    trusted: &[u32],
) -> io::Result<Option<Predecessor>> {
    let Some(found) = Predecessor::find(path, trusted)? else {
        return Ok(None);
    };
    let named = |listen: &Listen| listen.endpoint.to_string();
    let mut wanted: Vec<_> = listens
        .iter()
        .map(|listen| (named(listen), listen, Type::STREAM))
        .collect();
    wanted.push((HANDOVER.to_owned(), call, Type::SEQPACKET));
    found.check(&wanted, trusted)?;
    Ok(Some(found))
}

/// Nobody but the user who starts daemons may change where the path leads.
pub(crate) fn check_handover(path: &Path) -> Result<(), StartError> {
    let shown = path.display().to_string();
    let directories =
        Directories::to(path).map_err(StartError::system(format!("--handover {shown}")))?;
    match directories.exposed_to_others_than(geteuid().as_raw()) {
        Some(exposed) => Err(StartError::Handover(shown, exposed.to_string())),
        None => Ok(()),
    }
}

fn not_released() -> impl FnOnce(io::Error) -> StartError {
    StartError::system("cannot take over")
}
