//! A service of policy requests on tokio: a runtime for each worker, with the connections of `policy-net`.

mod admin;
mod control;
mod local_endpoint;

use std::{
    future::{pending, poll_fn},
    io,
    num::NonZeroU64,
    os::fd::{AsRawFd, OwnedFd},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use policy_net::{
    AcceptSender, Clients, Connection, Handler, Listener as Queue, Peer, ServeOptions, Stream,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until},
};

pub use control::{CommandStep, TokioCommands};

use self::{
    admin::TokioAdmin,
    control::{Runtimes, TokioControl},
    local_endpoint::local_endpoint,
};
use crate::{
    admin::Admin,
    control::Control,
    log::{ALL, Level},
    metrics::RequestMetrics,
    service::{Service, Worker},
    worker::{Inbox, Listener, Message, Origin, WorkerContext},
};

/// A service that answers each request with a [`Handler`], which all workers share.
///
/// Each worker has a runtime of one thread. An error of the handler, or one that takes longer than
/// [`ServeOptions::deadline`], is logged and closes the connection without an answer, as the protocol wants it.
///
/// Requests are counted by the class of their action and by the time that they took: the [admin](crate::admin) listener
/// shows that, beside what [`with_admin`](Self::with_admin) adds.
///
/// ```no_run
/// use policy_daemon::{Daemon, DaemonOptions, Inherited, StartError, TokioService};
/// use policy_proto::Response;
///
/// let mut options = DaemonOptions::new("dunno");
/// options.listen = vec!["inet:127.0.0.1:10031".to_owned()];
/// let daemon = Daemon::prepare(&options, Inherited::default())?;
/// daemon.serve(TokioService::new(async |_| Ok(Response::dunno())))?;
/// # Ok::<(), StartError>(())
/// ```
#[derive(Debug)]
pub struct TokioService<H> {
    handler: Arc<H>,
    options: ServeOptions,
    max_requests: Option<NonZeroU64>,
    admin: TokioAdmin,
    runtimes: Runtimes,
    commands: Option<Arc<dyn TokioCommands>>,
}

impl<H> TokioService<H> {
    /// A service with this handler, and the default limits.
    pub fn new(handler: H) -> Self {
        Self {
            handler: Arc::new(handler),
            options: ServeOptions::default(),
            max_requests: None,
            admin: TokioAdmin::default(),
            runtimes: Runtimes::default(),
            commands: None,
        }
    }

    /// Sets other limits. The memory for requests counts for each worker. How many clients there may be at once is
    /// an option of the daemon.
    #[must_use]
    pub fn with_options(self, options: ServeOptions) -> Self {
        Self { options, ..self }
    }

    /// The same, and each connection is closed after so many replies. Without a limit by default.
    #[must_use]
    pub fn with_max_requests(self, max_requests: Option<NonZeroU64>) -> Self {
        Self {
            max_requests,
            ..self
        }
    }

    /// The same, and the [admin](crate::admin) listener shows this as well.
    #[must_use]
    pub fn with_admin(mut self, admin: Arc<dyn Admin>) -> Self {
        self.admin.of_service = Some(admin);
        self
    }

    /// The same, and the [control](crate::control) socket takes commands: `status`, `lists` where there are some, and those
    /// of the service.
    #[must_use]
    pub fn with_commands(mut self, commands: Arc<dyn TokioCommands>) -> Self {
        self.commands = Some(commands);
        self
    }
}

impl<H: Handler + 'static> Service for TokioService<H> {
    type Message = ();
    type Worker = TokioWorker<H>;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<TokioWorker<H>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        self.runtimes.add(runtime.handle());
        Ok(TokioWorker {
            runtime,
            context,
            handler: Arc::clone(&self.handler),
            options: self.options,
            max_requests: self.max_requests,
            metrics: self.admin.add_worker(),
        })
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        Some(Arc::new(self.admin.clone()))
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        let commands = Arc::clone(self.commands.as_ref()?);
        Some(Arc::new(TokioControl {
            admin: self.admin.clone(),
            runtimes: self.runtimes.clone(),
            commands,
        }))
    }
}

/// A worker of a [`TokioService`].
#[derive(Debug)]
pub struct TokioWorker<H> {
    runtime: Runtime,
    context: WorkerContext<()>,
    handler: Arc<H>,
    options: ServeOptions,
    max_requests: Option<NonZeroU64>,
    metrics: Arc<RequestMetrics>,
}

impl<H: Handler + 'static> Worker for TokioWorker<H> {
    fn run(self) -> io::Result<()> {
        let Self {
            runtime,
            mut context,
            handler,
            options,
            max_requests,
            metrics,
        } = self;
        runtime.block_on(async move {
            let listeners = context.take_listeners().into_iter().map(readable);
            let listeners = listeners.collect::<io::Result<_>>()?;
            let inbox = readable(Arc::clone(context.inbox()))?;
            let (drain, _) = watch::channel(false);
            let (sender, queue) = Queue::queue();
            let server = Server {
                handler,
                clients: Clients::new(options),
                max_requests,
                metrics,
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
    handler: Arc<H>,
    clients: Clients,
    max_requests: Option<NonZeroU64>,
    metrics: Arc<RequestMetrics>,
    context: Arc<WorkerContext<()>>,
    /// None once it drains.
    listeners: Vec<AsyncFd<Listener>>,
    /// Connected sockets on their way to be streams.
    queue: AcceptSender,
    drain: watch::Sender<bool>,
    /// The end of draining.
    end: Option<Instant>,
    /// After an error nothing is accepted until then.
    paused_until: Option<Instant>,
}

impl<H: Handler + 'static> Server<H> {
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
                accepted = queue.accept() => {
                    let (stream, peer) = accepted?;
                    connections.spawn(self.serve(stream, peer));
                }
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
            _ = self.queue.send(connection);
        } else if let Some(peer) = policy_socket::Peer::of(&connection) {
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
    fn serve(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + Send + 'static {
        let (handler, clients) = (Arc::clone(&self.handler), self.clients.clone());
        let (context, metrics) = (Arc::clone(&self.context), Arc::clone(&self.metrics));
        let drain = self.drain.subscribe();
        let mut replies_left = self.max_requests.map_or(u64::MAX, NonZeroU64::get);
        async move {
            let peer = match local_endpoint(&stream) {
                Some(endpoint) => peer.with_listener(endpoint),
                None => peer,
            };
            let _place = OpenConnection(Arc::clone(&context));
            let deadline = clients.options().deadline;
            let failed = |error: String, begin: Instant| {
                metrics.replied(None, begin.elapsed());
                let text = format!("closing a connection from {peer} without an answer: {error}");
                context.log().line(Level::Error, "handler", ALL, text);
            };
            let mut connection = Connection::new(stream, clients);
            // One for all requests: each new one would be registered with the sender, which lives as long as this future.
            let mut begin_drain = drain.clone();
            let mut drained = pin!(async { _ = begin_drain.wait_for(|begun| *begun).await });
            let mut poll_drained = |cx: &mut Context<'_>| {
                // A future is not polled after its end.
                let has_begun = *drain.borrow();
                if has_begun {
                    Poll::Ready(())
                } else {
                    drained.as_mut().poll(cx)
                }
            };
            loop {
                let request = match connection.request(poll_fn(&mut poll_drained)).await {
                    Ok(Some(request)) => request,
                    Ok(None) => break,
                    // A client's errors concern no other one.
                    Err(_) => return,
                };
                let begin = Instant::now();
                let mut answer = pin!(handler.handle(request, &peer));
                // Most answers wait for nothing, and so need no timer.
                let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
                let response = match at_once {
                    Poll::Ready(response) => response,
                    Poll::Pending => tokio::select! {
                        biased;
                        response = answer => response,
                        () = connection.gone() => return,
                        () = sleep(deadline) => {
                            return failed(format!("the handler takes longer than {}s", deadline.as_secs()), begin);
                        }
                    },
                };
                match response {
                    Ok(response) => {
                        replies_left -= 1;
                        metrics.replied(Some(&response), begin.elapsed());
                        if connection.reply(&response).await.is_err() || replies_left == 0 {
                            return;
                        }
                    }
                    Err(error) => {
                        return failed(format!("the handler has failed: {error}"), begin);
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
async fn accept_at(listener: &AsyncFd<Listener>) -> io::Result<OwnedFd> {
    loop {
        let mut ready = listener.readable().await?;
        match listener.get_ref().accept() {
            Ok(connection) => return Ok(connection),
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
