//! The loop of a worker on tokio: it accepts connections, reads its inbox, and drains.

use std::{
    future::{pending, poll_fn},
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use policy_net::{AcceptSender, Handler, Listener as Queue};
use policy_socket::Peer;
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use super::connection::Connections;
use crate::{
    log::{ALL, Level},
    worker::{Inbox, Listener, Message, Origin, WorkerContext},
};

/// The loop of a worker.
pub(super) struct Server<H> {
    context: Arc<WorkerContext<()>>,
    inbox: AsyncFd<Arc<Inbox<Message<()>>>>,
    /// None once it drains.
    listeners: Vec<AsyncFd<Listener>>,
    /// Connected sockets on their way to be streams.
    sender: AcceptSender,
    queue: Queue,
    connections: Connections<H>,
    /// The end of draining.
    end: Option<Instant>,
    /// After an error nothing is accepted until then.
    paused_until: Option<Instant>,
}

impl<H: Handler + 'static> Server<H> {
    pub(super) fn new(
        context: Arc<WorkerContext<()>>,
        listeners: Vec<Listener>,
        connections: Connections<H>,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(readable);
        let (sender, queue) = Queue::queue();
        Ok(Self {
            listeners: listeners.collect::<io::Result<_>>()?,
            inbox: readable(Arc::clone(context.inbox()))?,
            context,
            sender,
            queue,
            connections,
            end: None,
            paused_until: None,
        })
    }

    /// Serves until it is told to end, and connections have ended or time is over.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut messages = Vec::new();
        let mut beat = interval(self.context.beat_interval().unwrap_or(NO_WATCHDOG));
        loop {
            let end = self.end.unwrap_or_else(Instant::now);
            tokio::select! {
                accepted = self.queue.accept() => {
                    let (stream, peer) = accepted?;
                    connections.spawn(self.connections.serve(stream, peer));
                }
                ready = self.inbox.readable() => {
                    ready?.clear_ready();
                    self.context.take_messages(&mut messages);
                    for message in messages.drain(..) {
                        match message {
                            Message::Connection(transfer) => self.open(transfer.connection),
                            Message::Drain(time) => self.begin_drain(time),
                            Message::Shutdown => return Ok(()),
                            Message::Service(()) => {}
                        }
                    }
                }
                Some(_) = connections.join_next() => {}
                (origin, accepted) = accept(&self.listeners, self.paused_until) => self.accepted(origin, accepted),
                _ = beat.tick() => self.context.beat(),
                () = sleep_until(end), if self.end.is_some() => {
                    let text = format!("connections cut off at the end, count: {}", connections.len());
                    self.log("cut off", text);
                    return Ok(());
                }
            }
            if self.end.is_some() && connections.is_empty() && self.sender.waiting() == 0 {
                return Ok(());
            }
        }
    }

    fn accepted(&mut self, origin: Origin, accepted: io::Result<(OwnedFd, Peer)>) {
        // Each listener has its turn, however many come to one of them. (It drains if there is none.)
        let count = self.listeners.len().min(1);
        self.listeners.rotate_left(count);
        match accepted {
            Ok((connection, peer)) => {
                if let Some(connection) = self.context.admit(connection, peer, origin) {
                    self.open(connection);
                }
            }
            Err(error) => {
                self.paused_until = Some(Instant::now() + PAUSE);
                let text = format!("cannot accept: {error}");
                self.log("cannot accept", text);
            }
        }
    }

    /// Serves a connection, if there is a place for it.
    fn open(&self, connection: OwnedFd) {
        if self.context.has_place() {
            self.context.opened();
            // The queue is open as long as this is.
            _ = self.sender.send(connection);
        } else if let Some(peer) = Peer::of(&connection) {
            let all = self.context.max_clients();
            let text = format!("closing a connection from {peer}: {all}");
            self.log("full", text);
        }
    }

    fn log(&self, kind: &'static str, text: String) {
        self.context.log().line(Level::Warning, kind, ALL, text);
    }

    fn begin_drain(&mut self, time: Duration) {
        self.listeners.clear();
        self.end = Some(Instant::now() + time.min(MAX_DRAIN));
        self.connections.drain();
    }
}

/// The next connection, and the way in which it has come; after a pause, if there is one. Never ends without listeners.
async fn accept(
    listeners: &[AsyncFd<Listener>],
    paused_until: Option<Instant>,
) -> (Origin, io::Result<(OwnedFd, Peer)>) {
    if let Some(until) = paused_until {
        sleep_until(until).await;
    }
    let each = listeners.iter().map(|listener| {
        Box::pin(async move { (listener.get_ref().origin(), accept_at(listener).await) })
    });
    let mut each: Vec<_> = each.collect();
    poll_fn(|cx| {
        let mut polled = each.iter_mut().map(|next| next.as_mut().poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// The next connection of a listener. Never ends once the daemon has shut it down, of which the inbox tells.
async fn accept_at(listener: &AsyncFd<Listener>) -> io::Result<(OwnedFd, Peer)> {
    loop {
        let mut ready = listener.readable().await?;
        match listener.get_ref().accept() {
            Ok(accepted) => return Ok(accepted),
            // It stays readable for ever, and nothing comes: over a UNIX socket with `WouldBlock`, so that whoever tries
            // again would do nothing else.
            Err(_) if ready.ready().is_read_closed() => return pending().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(error),
        }
    }
}

#[allow(
    deprecated,
    reason = "unsound only for a type that does not own its descriptor"
)]
fn readable<T: AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(source, Interest::READABLE)
}

/// After an error of accepting: descriptors have run out, as a rule.
const PAUSE: Duration = Duration::from_millis(100);
/// A timer that does nothing, without a watchdog.
const NO_WATCHDOG: Duration = Duration::from_secs(3600);
/// Far longer than any operator waits.
const MAX_DRAIN: Duration = Duration::from_secs(86_400);
