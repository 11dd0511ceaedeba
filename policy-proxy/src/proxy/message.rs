//! The messages of the proxy to its workers, and the inbox in which they arrive.

use std::sync::{Arc, mpsc::Sender};

use policy_daemon::worker;
use policy_flow::Slot;

use crate::proxy::{
    exchange::Exchange,
    resolver::{Found, ResolvedInbox},
};

/// A message from another thread of the proxy.
#[derive(Debug)]
pub(crate) enum Message {
    /// A look-up has ended.
    Resolved(Slot, Found),
    /// Another worker has called this one: see [`Flow::woken`](policy_flow::Flow::woken).
    Wake,
    /// Other settings hold from now on.
    Exchange(Arc<Exchange>),
    /// These listeners take the place of those before.
    Listen(Vec<worker::Listener>, Sender<()>),
}

/// The inbox of a worker.
pub(crate) type Inbox = worker::Inbox<worker::Message<Message>>;

impl ResolvedInbox for Inbox {
    fn resolved(&self, slot: Slot, found: Found) {
        self.send(worker::Message::Service(Message::Resolved(slot, found)));
    }
}

/// A worker's view of its daemon.
pub(crate) type Context = worker::WorkerContext<Message>;
