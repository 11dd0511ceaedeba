//! One connection of `replay` to each server: one request after the other.

use tokio::sync::mpsc::{Receiver, Sender};

use super::{action::Outcome, source::Entry};
use crate::exchange::Server;

/// The servers of one connection.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) server: Server,
    pub(super) compared: Compared,
}

/// What its answers are compared with.
#[derive(Debug)]
pub(super) enum Compared {
    Nothing,
    Recorded,
    Server(Box<Server>),
}

/// A request that was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) entry: Entry,
    pub(super) outcome: Outcome,
    /// That of the other server, or the one that was recorded.
    pub(super) other: Option<Outcome>,
    /// Bytes of the file that are done.
    pub(super) read: u64,
}

impl Worker {
    /// Asks all that comes, until there is no more.
    pub(super) async fn run(mut self, mut entries: Receiver<Entry>, done: Sender<Asked>) {
        while let Some(entry) = entries.recv().await {
            let request = &entry.request;
            let (outcome, other): (Outcome, Option<Outcome>) = match &mut self.compared {
                Compared::Nothing => (self.server.ask(request).await.into(), None),
                Compared::Recorded => {
                    let outcome = self.server.ask(request).await.into();
                    (outcome, Outcome::recorded(&entry.facts))
                }
                Compared::Server(other) => {
                    // At the same time, since what they answer may depend on it.
                    let (one, other) = tokio::join!(self.server.ask(request), other.ask(request));
                    (one.into(), Some(other.into()))
                }
            };
            let read = entry.read;
            let asked = Asked {
                entry,
                outcome,
                other,
                read,
            };
            if done.send(asked).await.is_err() {
                return;
            }
        }
    }
}
