//! Connections that others have accepted, also other processes, as a listener.

use std::{
    future::poll_fn,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel};

use super::Stream;
use crate::Peer;

/// The connections that wait to be served: see [`Listener::queue`](crate::Listener::queue).
#[derive(Debug)]
pub(crate) struct AcceptQueue {
    receiver: Mutex<UnboundedReceiver<OwnedFd>>,
    waiting: Arc<AtomicUsize>,
}

/// Sends connections to a [`Listener::queue`](crate::Listener::queue).
#[derive(Clone, Debug)]
pub struct AcceptSender {
    sender: UnboundedSender<OwnedFd>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn queue() -> (AcceptSender, AcceptQueue) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let queue = AcceptQueue {
        receiver: Mutex::new(receiver),
        waiting: Arc::clone(&waiting),
    };
    (AcceptSender { sender, waiting }, queue)
}

impl AcceptSender {
    /// Has this connection served there.
    ///
    /// # Errors
    ///
    /// It comes back when that server stops, or has.
    pub fn send(&self, connection: OwnedFd) -> Result<(), OwnedFd> {
        // Before it can be taken.
        self.waiting.fetch_add(1, Relaxed);
        self.sender.send(connection).map_err(|SendError(back)| {
            self.waiting.fetch_sub(1, Relaxed);
            back
        })
    }

    /// How many have been sent, and not been taken yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

impl AcceptQueue {
    /// From now on none can be sent; those that have been are still here.
    pub(crate) fn close(&self) {
        self.receiver().close();
    }

    /// The next one; `None` when no more will ever come.
    pub(crate) async fn next(&self) -> Option<(Stream, Peer)> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<(Stream, Peer)>> {
        let mut receiver = self.receiver();
        while let Some(connection) = ready!(receiver.poll_recv(cx)) {
            self.waiting.fetch_sub(1, Relaxed);
            // What is none is closed: nobody waits for it.
            if let Ok(stream) = Stream::try_from(connection) {
                let peer = Peer::of(&stream).unwrap_or_default();
                return Poll::Ready(Some((stream, peer)));
            }
        }
        Poll::Ready(None)
    }

    fn receiver(&self) -> MutexGuard<'_, UnboundedReceiver<OwnedFd>> {
        // Nothing that holds the lock can panic half-way.
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
