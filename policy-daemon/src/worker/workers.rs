//! The workers of a daemon: they are told messages, and connections are shared out among them.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::inbox::{Inbox, MadeBy, Message, Transfer};

/// All workers of a daemon.
#[derive(Debug)]
pub struct Workers<M> {
    all: Vec<Worker<M>>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker<M> {
    inbox: Arc<Inbox<Message<M>>>,
    /// Connections that it serves.
    connections: AtomicUsize,
    /// Connections in its inbox.
    waiting: AtomicUsize,
}

impl<M> Workers<M> {
    pub(super) fn new(count: usize) -> io::Result<Self> {
        let worker = |_| {
            Ok(Worker {
                inbox: Arc::new(Inbox::new()?),
                connections: AtomicUsize::new(0),
                waiting: AtomicUsize::new(0),
            })
        };
        Ok(Self {
            all: (0..count).map(worker).collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// The number of workers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Sends one worker a message.
    pub fn tell(&self, worker: usize, message: M) {
        self.send(worker, Message::Service(message));
    }

    /// Sends all workers a message, such as new settings.
    pub fn tell_all(&self, message: impl Fn() -> M) {
        self.send_all(|| Message::Service(message()));
    }

    pub(crate) fn send_all(&self, message: impl Fn() -> Message<M>) {
        for worker in &self.all {
            worker.inbox.send(message());
        }
    }

    /// Has one of the workers serve a connection of another process: each in turn.
    pub(super) fn take(&self, connection: OwnedFd) {
        let next = self.next.fetch_add(1, Relaxed) % self.len().max(1);
        let transfer = Transfer {
            connection,
            refusals: 0,
            made_by: MadeBy::OtherProcess,
        };
        self.send(next, Message::Connection(transfer));
    }

    /// Gives a connection for which this worker has no place to the next worker. It comes back when all workers have
    /// refused it.
    pub(super) fn pass_on(&self, worker: usize, mut transfer: Transfer) -> Option<Transfer> {
        if transfer.refusals + 1 >= self.len() {
            return Some(transfer);
        }
        transfer.refusals += 1;
        self.send((worker + 1) % self.len(), Message::Connection(transfer));
        None
    }

    /// Gives a connection that this worker has accepted to a worker that has clearly fewer. Where all wait at one socket,
    /// the first one to wake up may accept all that come. The connection comes back if this worker is to serve it.
    pub(super) fn share_out(&self, worker: usize, connection: OwnedFd) -> Option<OwnedFd> {
        let own = self.all.get(worker)?;
        let (index, least) =
            (self.all.iter().map(Worker::count).enumerate()).min_by_key(|(_, count)| *count)?;
        if own.count() > least + 1 + least / SLACK {
            let transfer = Transfer {
                connection,
                refusals: 0,
                made_by: MadeBy::ThisProcess,
            };
            self.send(index, Message::Connection(transfer));
            return None;
        }
        Some(connection)
    }

    /// Connections that no worker has taken from its inbox yet.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.all.iter().map(|worker| worker.waiting.load(Relaxed));
        waiting.sum()
    }

    /// Connections that all workers serve.
    pub(crate) fn connections(&self) -> usize {
        let connections = self.all.iter();
        let connections = connections.map(|worker| worker.connections.load(Relaxed));
        connections.sum()
    }

    pub(super) fn inbox(&self, worker: usize) -> io::Result<&Arc<Inbox<Message<M>>>> {
        let worker = self.all.get(worker).ok_or(io::ErrorKind::NotFound)?;
        Ok(&worker.inbox)
    }

    /// Takes the messages of a worker.
    pub(super) fn take_messages(&self, worker: usize, list: &mut Vec<Message<M>>) {
        if let Some(worker) = self.all.get(worker) {
            worker.inbox.take(list);
            let is_connection = |message: &&Message<M>| matches!(message, Message::Connection(_));
            let connections = list.iter().filter(is_connection).count();
            worker.waiting.fetch_sub(connections, Relaxed);
        }
    }

    /// A worker serves one connection more.
    pub(super) fn opened(&self, worker: usize) {
        if let Some(worker) = self.all.get(worker) {
            worker.connections.fetch_add(1, Relaxed);
        }
    }

    /// A worker serves one connection fewer.
    pub(super) fn closed(&self, worker: usize) {
        if let Some(worker) = self.all.get(worker) {
            worker.connections.fetch_sub(1, Relaxed);
        }
    }

    fn send(&self, worker: usize, message: Message<M>) {
        if let Some(worker) = self.all.get(worker) {
            if matches!(message, Message::Connection(_)) {
                worker.waiting.fetch_add(1, Relaxed);
            }
            worker.inbox.send(message);
        }
    }
}

impl<M> Worker<M> {
    /// Its connections, with those in its inbox: until it takes them, more may come.
    fn count(&self) -> usize {
        self.connections.load(Relaxed) + self.waiting.load(Relaxed)
    }
}

/// Moving a connection costs two system calls and a wake-up: an eighth more is no reason for that.
const SLACK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> OwnedFd {
        std::os::unix::net::UnixStream::pair().unwrap().0.into()
    }

    #[test]
    fn a_connection_goes_to_a_worker_that_has_clearly_fewer() {
        let workers = Workers::<()>::new(2).unwrap();
        for (own, other, is_kept) in [(0, 0, true), (1, 0, true), (2, 0, false), (9, 8, true)] {
            let count =
                |worker: usize, count| workers.all[worker].connections.store(count, Relaxed);
            count(0, own);
            count(1, other);
            let kept = workers.share_out(0, connection());
            assert_eq!(kept.is_some(), is_kept, "{own} {other}");
            workers.take_messages(1, &mut Vec::new());
            assert_eq!(workers.waiting(), 0);
        }
    }

    #[test]
    fn a_connection_comes_back_when_all_workers_have_refused_it() {
        let workers = Workers::<()>::new(2).unwrap();
        workers.take(connection());
        assert_eq!(workers.waiting(), 1);
        let mut list = Vec::new();
        workers.take_messages(0, &mut list);
        let Some(Message::Connection(transfer)) = list.pop() else {
            panic!("no connection");
        };
        assert!(workers.pass_on(0, transfer).is_none());
        workers.take_messages(1, &mut list);
        let Some(Message::Connection(transfer)) = list.pop() else {
            panic!("no connection");
        };
        assert_eq!(transfer.refusals, 1);
        assert!(workers.pass_on(1, transfer).is_some());
    }
}
