//! Serving connections with a handler, and the loop below it.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use policy_proto::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{ClientOptions, Listener, Stream};

mod clients;
mod connection;
mod error;
mod next_request;
mod place;
mod wire;

pub use clients::Clients;
pub use connection::Connection;
pub use error::ConnectionError;

/// Any error of a handler: it passes through to whoever logs it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Limits of a server. The struct may grow: start from the defaults, and say what differs.
///
/// ```
/// use policy_net::ServeOptions;
/// use std::time::Duration;
///
/// let mut options = ServeOptions::default();
/// options.max_connections = 500;
/// assert_eq!(options.drain, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// What clients are granted: limits, time and memory.
    pub clients: ClientOptions,
    /// Connections at once; more wait in the system's queue. 10,000 by default: idle ones cost
    /// little but memory, and a busy Postfix has some hundreds. Descriptors are limited by the
    /// system.
    pub max_connections: usize,
    /// How long requests under way may take once the server is to stop, before they are cut off. 30
    /// s by default, below the 90 s after which systemd kills a service.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            clients: ClientOptions::default(),
            max_connections: 10_000,
            drain: Duration::from_secs(30),
        }
    }
}

/// A policy server: answers the requests of all connections until `shutdown` ends.
///
/// The handler is cloned for each connection. An error of its closes the connection without an
/// answer, as the protocol wants it of a server in trouble; so does a panic. When `shutdown` ends,
/// nothing more is accepted, requests under way are answered, and idle connections are closed. It
/// has the default limits of [`ServeOptions`]; for others, see [`accept`].
///
/// ```
/// use policy_net::{Client, Connect, Connector, Listener, serve};
/// use policy_proto::{Request, Response, attr};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let handler = |request: Request| async move {
///     match request.get(attr::SENDER) {
///         Some(sender) if sender.ends_with(b"@spam.example") => Ok(Response::new("REJECT spam")?),
///         _ => Ok(Response::dunno()),
///     }
/// };
///
/// let client = async {
///     let mut client = Client::new(connector.connect(Duration::from_secs(3)).await?);
///     let request = Request::from_attributes([(attr::SENDER, "a@spam.example")])?;
///     assert_eq!(client.ask(&request).await?.as_str(), Some("REJECT spam"));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// };
/// let mut asked = Ok(());
/// serve(listener, handler, async { asked = client.await }).await;
/// asked
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn serve<H, F>(listener: Listener, handler: H, shutdown: impl Future<Output = ()>)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let options = ServeOptions::default();
    let clients = Clients::new(options.clients);
    let connection = |io, drain| {
        let (handler, clients) = (handler.clone(), clients.clone());
        async move {
            // A client's errors are its own; those of the handler are for the handler to log.
            if let Err(error) = serve_connection(io, handler, clients, &drain).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
            }
        }
    };
    accept(listener, &options, connection, shutdown).await;
}

/// Answers the requests of one connection, one after the other, until the client ends it, an error
/// does, or `drain` is cancelled and no request is under way.
///
/// The work on a request is dropped when its client is known to have gone: see
/// [`Connection::gone`]. Connections of one server have the same `clients`, which share a limit of memory.
///
/// ```
/// use policy_net::{Clients, serve_connection};
/// use policy_proto::Response;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"request=smtpd_access_policy\n\n").await?;
/// client.shutdown().await?;
///
/// let handler = |_| async { Ok(Response::dunno()) };
/// serve_connection(server, handler, Clients::default(), &CancellationToken::new()).await?;
///
/// let mut reply = String::new();
/// client.read_to_string(&mut reply).await?;
/// assert_eq!(reply, "action=dunno\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Why the connection had to end: [`ConnectionError`].
pub async fn serve_connection<Io, H, F>(
    io: Io,
    handler: H,
    clients: impl Into<Clients>,
    drain: &CancellationToken,
) -> Result<(), ConnectionError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F,
    F: Future<Output = Result<Response, BoxError>>,
{
    let mut connection = Connection::new(io, clients);
    let mut drained = pin!(drain.cancelled());
    while let Some(request) = connection.request(drained.as_mut()).await? {
        let response = tokio::select! {
            biased;
            response = handler(request) => response.map_err(ConnectionError::Handler)?,
            () = connection.gone() => return Ok(()),
        };
        connection.reply(&response).await?;
    }
    Ok(())
}

/// The loop below [`serve`], for servers that keep state of each connection: spawns one future per
/// connection, which is to end soon once its token is cancelled.
///
/// Of the options it uses `max_connections` and `drain`. An error of accepting is logged, and 100
/// ms pass before the next try: descriptors have run out, as a rule. A connection that panics ends
/// alone.
///
/// When it returns nothing listens any more; the file of a UNIX socket is left for its owner to
/// remove. Dropping the returned future closes all connections at once.
///
/// ```
/// use policy_net::{Connect, Connector, Listener, ServeOptions, Stream, accept};
/// use std::{cell::Cell, time::Duration};
/// use tokio::io::AsyncReadExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let accepted = Cell::new(0);
/// let connection = |io: Stream, _drain| {
///     accepted.set(accepted.get() + 1);
///     async move { drop(io) } // not much of a server
/// };
///
/// let client = async {
///     let mut client = connector.connect(Duration::from_secs(3)).await?;
///     client.read(&mut [0]).await
/// };
/// let mut read = Ok(1);
/// let shutdown = async { read = client.await };
/// accept(listener, &ServeOptions::default(), connection, shutdown).await;
/// assert_eq!((accepted.get(), read?), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn accept<C, F>(
    listener: Listener,
    options: &ServeOptions,
    mut connection: C,
    shutdown: impl Future<Output = ()>,
) where
    C: FnMut(Stream, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(
        options.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let drain = CancellationToken::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        // Nothing is lost when another branch is taken: until this future is ready no connection
        // has been accepted, and its place is free again.
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Ended connections are forgotten as they end, before new ones come: a listener that is
            // never idle must not have them pile up. A panic has been told by the panic hook.
            Some(_) = connections.join_next() => {}
            (accepted, place) = accepted => match accepted {
                Ok(io) => {
                    let served = connection(io, drain.clone());
                    connections.spawn(Placed { served, place });
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                    tokio::select! {
                        biased;
                        () = &mut shutdown => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
        }
    }
    if let Listener::Passed(passed) = &listener {
        // Who has accepted them has given them up.
        passed.close();
        while let Some(io) = passed.next().await {
            let served = connection(io, drain.clone());
            connections.spawn(Placed {
                served,
                place: None,
            });
        }
    }
    drop(listener);
    drain.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(options.drain, all_ended).await.is_err() {
        tracing::warn!(count = connections.len(), "connections cut off at the end");
    }
}

pin_project! {
    /// A connection, and the place that is free again when it ends. It is not an async block since
    /// that would take twice the memory of what it awaits, for as long as the connection lives.
    struct Placed<F> {
        #[pin]
        served: F,
        place: Option<OwnedSemaphorePermit>,
    }
}

impl<F: Future<Output = ()>> Future for Placed<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().served.poll(cx)
    }
}

/// How long accepting pauses after an error, such as running out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
