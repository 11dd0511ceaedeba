//! The workers, as those who take connections that others have accepted.

use std::{
    os::fd::OwnedFd,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use policy_net::{Passer, Stream};

/// The workers, as those who take connections that others have accepted.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Member>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Member {
    passed: Passer,
    connections: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(passed: Vec<Passer>) -> Self {
        let member = |passed| Member {
            passed,
            connections: AtomicUsize::new(0),
        };
        Self {
            members: passed.into_iter().map(member).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Has one of the workers serve this connection, each in its turn.
    pub(crate) fn take(&self, connection: OwnedFd) {
        let next = self.next.fetch_add(1, Relaxed) % self.members.len().max(1);
        if let Some(member) = self.members.get(next) {
            // Where that one has stopped it is closed.
            _ = member.passed.pass(connection);
        }
    }

    /// Gives a connection that this worker has accepted to another one that has clearly fewer. Where
    /// all wait at one socket, the first to wake up may accept all that come; and a hash of addresses
    /// shares out a few connections as dice would. It comes back if it is for this worker.
    pub(crate) fn share_out(&self, worker: usize, mut io: Stream) -> Option<Stream> {
        let own = self.members.get(worker)?;
        let least = self.members.iter().min_by_key(|member| member.count())?;
        let few = least.count();
        if own.count() > few + 1 + few / SLACK {
            // It comes back, too, when the other one has stopped.
            let descriptor = least.passed.pass(io.into_descriptor().ok()?).err()?;
            io = Stream::try_from(descriptor).ok()?;
        }
        Some(io)
    }

    /// Connections that others have passed, and no worker has taken yet.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.members.iter().map(|member| member.passed.waiting());
        waiting.sum()
    }

    /// This worker serves one more.
    pub(crate) fn add(&self, worker: usize) {
        if let Some(member) = self.members.get(worker) {
            member.connections.fetch_add(1, Relaxed);
        }
    }

    /// One that it served has ended.
    pub(crate) fn remove(&self, worker: usize) {
        if let Some(member) = self.members.get(worker) {
            member.connections.fetch_sub(1, Relaxed);
        }
    }
}

impl Member {
    /// Those on their way to it count: until it takes them, more may come.
    fn count(&self) -> usize {
        self.connections.load(Relaxed) + self.passed.waiting()
    }
}

/// An eighth more is no reason to move a connection, which costs two system calls and a wake-up.
const SLACK: usize = 8;
