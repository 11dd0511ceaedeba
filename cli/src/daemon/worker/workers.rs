//! The workers of a daemon, as those who are told something or take connections that others have accepted.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    daemon::shutdown::Said,
    proxy::{Made, Mailbox, Message},
};

/// The workers of a daemon.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Member>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Member {
    mailbox: Arc<Mailbox>,
    connections: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(mailboxes: impl IntoIterator<Item = Arc<Mailbox>>) -> Self {
        let member = |mailbox| Member {
            mailbox,
            connections: AtomicUsize::new(0),
        };
        Self {
            members: mailboxes.into_iter().map(member).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Where this worker hears of things.
    pub(crate) fn mailbox(&self, worker: usize) -> Option<&Arc<Mailbox>> {
        self.members.get(worker).map(|member| &member.mailbox)
    }

    /// Tells one of them this.
    pub(crate) fn tell(&self, worker: usize, message: Message) {
        if let Some(mailbox) = self.mailbox(worker) {
            mailbox.send(message);
        }
    }

    /// Tells the main thread, whose loop is that of the last worker.
    pub(crate) fn tell_main(&self, said: Said) {
        self.tell(self.members.len().saturating_sub(1), Message::Said(said));
    }

    /// Tells all of them.
    pub(crate) fn tell_all(&self, message: impl Fn() -> Message) {
        for member in &self.members {
            member.mailbox.send(message());
        }
    }

    /// Has one of the workers serve this connection, each in its turn.
    pub(crate) fn take(&self, connection: OwnedFd) {
        let next = self.next.fetch_add(1, Relaxed) % self.members.len().max(1);
        self.tell(next, Message::Connection(connection, 0, Made::Elsewhere));
    }

    /// Gives a connection for which this worker has no place to the next one, unless so many had none before: then it
    /// comes back.
    pub(crate) fn pass_on(
        &self,
        worker: usize,
        connection: OwnedFd,
        before: usize,
        made: Made,
    ) -> Option<OwnedFd> {
        if before + 1 >= self.members.len() {
            return Some(connection);
        }
        let next = (worker + 1) % self.members.len();
        self.tell(next, Message::Connection(connection, before + 1, made));
        None
    }

    /// Gives a connection that this worker has accepted to another one that has clearly fewer. Where all wait at one
    /// socket, the first to wake up may accept all that come. It comes back if it is for this worker.
    pub(crate) fn share_out(&self, worker: usize, connection: OwnedFd) -> Option<OwnedFd> {
        let own = self.members.get(worker)?;
        let least = self.members.iter().min_by_key(|member| member.count())?;
        let few = least.count();
        if own.count() > few + 1 + few / SLACK {
            let message = Message::Connection(connection, 0, Made::Here);
            least.mailbox.send(message);
            return None;
        }
        Some(connection)
    }

    /// Connections that others have passed, and no worker has taken yet.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self
            .members
            .iter()
            .map(|member| member.mailbox.connections());
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
        self.connections.load(Relaxed) + self.mailbox.connections()
    }
}

/// An eighth more is no reason to move a connection, which costs two system calls and a wake-up.
const SLACK: usize = 8;
