use std::{io, num::NonZeroUsize, os::fd::OwnedFd, sync::Arc, thread};

use crate::{
    Bound, Options, Passed, StartError, descriptors,
    handover::Predecessor,
    sockets::{handover, sockets},
    users::RunAs,
};

/// What a daemon stands on: all that needs the rights with which it was started, or is taken from the
/// daemon before it.
#[derive(Debug)]
pub(crate) struct Ground {
    /// How many there are to be.
    pub(crate) workers: usize,
    /// Descriptors that are left for clients.
    pub(crate) room: usize,
    pub(crate) sockets: Arc<Vec<Bound>>,
    /// Where others call for a handover.
    pub(crate) calls: Option<Arc<Bound>>,
    pub(crate) predecessor: Option<Predecessor>,
    /// Why there is none, where there should be one.
    pub(crate) silence: Option<io::Error>,
    /// The users whose processes are trusted.
    pub(crate) friends: Vec<u32>,
    /// Whether a service manager keeps the sockets.
    pub(crate) is_kept: bool,
    /// Connections that it kept.
    pub(crate) kept: Vec<OwnedFd>,
}

impl Ground {
    pub(crate) fn take(
        options: &Options,
        passed: Passed,
        services: usize,
    ) -> Result<Self, StartError> {
        let run_as = match &options.user {
            Some(user) => Some(RunAs::parse(user).ok_or_else(|| StartError::User(user.clone()))?),
            None => None,
        };
        let workers = options
            .workers
            .map_or_else(thread::available_parallelism, Ok);
        let workers = workers.map_or(1, NonZeroUsize::get);
        // A worker has a runtime, and of each endpoint a socket and a listener.
        let endpoints = options.listen.len() + passed.listening.len();
        let own = workers * (2 * endpoints + 6) + 16;
        let upstream = services * options.failover.max_connections;
        let room = descriptors::for_clients(own, upstream);
        let room = room.map_err(StartError::system("cannot start"))?;

        // Root starts a daemon, which then runs as somebody else.
        let mut friends = vec![0, rustix::process::geteuid().as_raw()];
        friends.extend(run_as.as_ref().map(RunAs::uid));
        let path = options.lifetime.handover.as_deref();
        let found = path.map(|path| Predecessor::find(path, &friends));
        let (mut predecessor, silence) = match found.transpose() {
            Ok(found) => (found.flatten(), None),
            Err(error) => (None, Some(error)),
        };
        let is_kept = passed.has_listeners();
        let sockets = sockets(options, passed.listening, &mut predecessor, workers)?;
        let calls = path.map(|path| {
            let bound = handover(path, run_as.as_ref().map(RunAs::uid), &mut predecessor);
            bound.map_err(StartError::system(format!("--handover {}", path.display())))
        });
        let calls = calls.transpose()?;
        if let (Some(run_as), Some(user)) = (run_as, &options.user) {
            let became = run_as.become_it();
            became.map_err(StartError::system(format!("--user {user}")))?;
        }
        Ok(Self {
            workers,
            room,
            sockets: Arc::new(sockets),
            calls: calls.map(Arc::new),
            predecessor,
            silence,
            friends,
            is_kept,
            kept: passed.connections,
        })
    }
}
