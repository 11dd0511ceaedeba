//! A service of policy requests on tokio: a runtime for each worker, with the connections of `policy-net`.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use policy_net::{BoxError, ClientOptions, Clients, Connection, Listener as Queue, Passer, Stream};
use policy_proto::{Request, Response};
use policy_socket::Peer;
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use crate::{
    log::{ALL, Level},
    service::{Service, Worker},
    worker::{Inbox, Listener, Message, Origin, WorkerContext},
};

/// A service that answers each request with an asynchronous handler.
///
/// Each worker has a runtime of one thread, and a clone of the handler. An error of the handler is logged, and closes the
/// connection without an answer, as the protocol wants it.
///
/// ```no_run
/// use policy_daemon::{Daemon, DaemonOptions, Inherited, StartError, TokioService};
/// use policy_proto::{Request, Response};
///
/// let mut options = DaemonOptions::new("dunno");
/// options.listen = vec!["inet:127.0.0.1:10031".to_owned()];
/// let daemon = Daemon::prepare(&options, Inherited::default())?;
/// daemon.serve(TokioService::new(|_: Request| async { Ok(Response::dunno()) }))?;
/// # Ok::<(), StartError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokioService<H> {
    handler: H,
    clients: ClientOptions,
}

impl<H> TokioService<H> {
    /// A service with this handler, and the default limits of a client.
    pub fn new(handler: H) -> Self {
        Self {
            handler,
            clients: ClientOptions::default(),
        }
    }

    /// The same with other limits of a client. The memory for requests counts for each worker.
    #[must_use]
    pub fn with_clients(self, clients: ClientOptions) -> Self {
        Self { clients, ..self }
    }
}

impl<H, F> Service for TokioService<H>
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send + 'static,
{
    type Message = ();
    type Worker = TokioWorker<H>;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<TokioWorker<H>> {
        Ok(TokioWorker {
            runtime: Builder::new_current_thread().enable_all().build()?,
            context,
            handler: self.handler.clone(),
            clients: self.clients,
        })
    }
}

/// A worker of a [`TokioService`].
#[derive(Debug)]
pub struct TokioWorker<H> {
    runtime: Runtime,
    context: WorkerContext<()>,
    handler: H,
    clients: ClientOptions,
}

impl<H, F> Worker for TokioWorker<H>
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send + 'static,
{
    fn run(self) -> io::Result<()> {
        let Self {
            runtime,
            mut context,
            handler,
            clients,
        } = self;
        runtime.block_on(async move {
            let listeners = context.take_listeners().into_iter().map(readable);
            let listeners = listeners.collect::<io::Result<_>>()?;
            let inbox = readable(Arc::clone(context.inbox()))?;
            let (drain, _) = watch::channel(false);
            let (sender, queue) = Queue::passed();
            let server = Server {
                handler,
                clients: Clients::new(clients),
                context: Arc::new(context),
                listeners,
                queue: sender,
                drain,
                end: None,
                paused_until: None,
            };
            server.run(&queue, &inbox).await
        })
    }
}

/// The loop of a worker.
struct Server<H> {
    handler: H,
    clients: Clients,
    context: Arc<WorkerContext<()>>,
    /// None once it drains.
    listeners: Vec<AsyncFd<Listener>>,
    /// Connected sockets on their way to be streams.
    queue: Passer,
    drain: watch::Sender<bool>,
    /// The end of draining.
    end: Option<Instant>,
    /// After an error nothing is accepted until then.
    paused_until: Option<Instant>,
}

impl<H, F> Server<H>
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send + 'static,
{
    async fn run(
        mut self,
        queue: &Queue,
        inbox: &AsyncFd<Arc<Inbox<Message<()>>>>,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut messages = Vec::new();
        let mut beat = interval(self.context.beat_interval().unwrap_or(NO_WATCHDOG));
        loop {
            let end = self.end.unwrap_or_else(Instant::now);
            tokio::select! {
                stream = queue.accept() => drop(connections.spawn(self.serve(stream?))),
                ready = inbox.readable() => {
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
            if self.end.is_some() && connections.is_empty() && self.queue.waiting() == 0 {
                return Ok(());
            }
        }
    }

    fn accepted(&mut self, origin: Origin, accepted: io::Result<OwnedFd>) {
        // Each listener has its turn, however many come to one of them. (It drains if there is none.)
        let count = self.listeners.len().min(1);
        self.listeners.rotate_left(count);
        match accepted {
            Ok(connection) => {
                if let Some((connection, _)) = self.context.admit(connection, origin) {
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
            _ = self.queue.pass(connection);
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
        self.drain.send_replace(true);
    }

    /// Serves one connection to its end, or until it drains: then the connection is handed off.
    fn serve(&self, stream: Stream) -> impl Future<Output = ()> + Send + 'static {
        let (handler, clients) = (self.handler.clone(), self.clients.clone());
        let context = Arc::clone(&self.context);
        let mut drain = self.drain.subscribe();
        async move {
            let _place = OpenConnection(Arc::clone(&context));
            let mut connection = Connection::new(stream, clients);
            loop {
                // The sender lives as long as this future.
                let drained = async { _ = drain.wait_for(|is_draining| *is_draining).await };
                let request = match connection.request(drained).await {
                    Ok(Some(request)) => request,
                    Ok(None) => break,
                    // A client's errors concern no other one.
                    Err(_) => return,
                };
                let response = tokio::select! {
                    biased;
                    response = handler(request) => response,
                    () = connection.gone() => return,
                };
                match response {
                    Ok(response) => {
                        if connection.reply(&response).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        let text = format!("the handler has failed: {error}");
                        return context.log().line(Level::Error, "handler", ALL, text);
                    }
                }
            }
            let is_draining = *drain.borrow();
            if let Some(descriptor) = is_draining.then(|| connection.into_inner().into_descriptor())
            {
                // A connection whose descriptor cannot be had is closed.
                _ = descriptor.map(|descriptor| context.hand_off(descriptor));
            }
        }
    }
}

/// Counts a connection as long as it is open.
struct OpenConnection(Arc<WorkerContext<()>>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// The next connection, and the way in which it has come; after a pause, if there is one. Never ends without listeners.
async fn accept(
    listeners: &[AsyncFd<Listener>],
    paused_until: Option<Instant>,
) -> (Origin, io::Result<OwnedFd>) {
    if let Some(until) = paused_until {
        sleep_until(until).await;
    }
    let each = listeners.iter().map(|listener| {
        Box::pin(async move {
            let accepted = listener
                .async_io(Interest::READABLE, Listener::accept)
                .await;
            (listener.get_ref().origin(), accepted)
        })
    });
    let mut each: Vec<_> = each.collect();
    poll_fn(|cx| {
        let mut polled = each.iter_mut().map(|next| next.as_mut().poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
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
