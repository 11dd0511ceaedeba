use std::{io, num::NonZeroUsize, os::fd::OwnedFd, thread};

use crate::{
    Bound, Options, Passed, StartError, descriptors,
    handover::Predecessor,
    listening::Listening,
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
    pub(crate) listening: Listening,
    predecessor: Option<Predecessor>,
    /// Why there is none, where there should be one.
    pub(crate) silence: Option<io::Error>,
    /// The users whose processes are trusted.
    pub(crate) friends: Vec<u32>,
    run_as: Option<RunAs>,
    /// Connections that a service manager kept.
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
        let sockets = sockets(options, passed.listening, &mut predecessor, workers)?;
        let calls = path.map(|path| {
            let bound = handover(path, run_as.as_ref().map(RunAs::uid), &mut predecessor);
            bound.map_err(StartError::system(format!("--handover {}", path.display())))
        });
        Ok(Self {
            workers,
            room,
            listening: Listening::new(sockets, calls.transpose()?),
            predecessor,
            silence,
            friends,
            run_as,
            kept: passed.connections,
        })
    }

    /// Gives up the rights, and lets the predecessor go. To be called when nothing else can fail.
    pub(crate) fn settle(&mut self) -> Result<(), StartError> {
        for bound in self.listening.all_mut() {
            let dressed = bound.dress();
            dressed.map_err(StartError::system(format!("cannot bind {}", bound.asked())))?;
        }
        if let Some(run_as) = &self.run_as {
            let became = run_as.become_it();
            became.map_err(StartError::system(format!("--user {}", run_as.asked)))?;
        }
        if let Some(predecessor) = self.predecessor.take() {
            predecessor.relieve();
        }
        // Else they stay as they were.
        self.listening.all_mut().for_each(Bound::own);
        Ok(())
    }
}
