use std::{pin::pin, sync::Arc, time::Duration};

use policy_proto::{Decoder, Limits, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Connection, ConnectionError, Listener, Patience, Stream};

/// Any error of a handler: it passes through to whoever logs it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Limits of a request.
    pub limits: Limits,
    /// How long a client may be idle, and how long it may take for a request it has begun. 1200 s by
    /// default, so that Postfix closes first (`smtpd_policy_service_max_ttl` is 1000 s), and 30 s.
    pub patience: Patience,
    /// Connections at once; more wait to be accepted. 10,000 by default.
    pub max_connections: usize,
    /// How long requests under way may take once the server is to stop. 30 s by default.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            patience: Patience {
                idle: Some(Duration::from_secs(1200)),
                request: Some(Duration::from_secs(30)),
            },
            max_connections: 10_000,
            drain: Duration::from_secs(30),
        }
    }
}

/// A policy server: answers the requests of all connections until `shutdown` ends.
///
/// The handler is cloned for each connection. An error of its closes the connection without an
/// answer, as the protocol wants it of a server in trouble; so does a panic. When `shutdown` ends,
/// nothing more is accepted, requests under way are answered, and idle connections are closed.
///
/// ```no_run
/// use policy_net::{Listener, serve};
/// use policy_proto::{Action, Response, attr};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let listener = Listener::bind(&"inet:127.0.0.1:10031".parse()?).await?;
///     let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
///     serve(listener, |request| async move {
///         let action = match request.get(attr::SENDER) {
///             Some(b"") => Action::Dunno,
///             Some(sender) if sender.ends_with(b"@spam.example") => Action::Reject(b"not today"),
///             _ => Action::Dunno,
///         };
///         Ok(Response::try_from(action)?)
///     }, shutdown).await;
///     Ok(())
/// }
/// ```
pub async fn serve<H, F>(listener: Listener, handler: H, shutdown: impl Future<Output = ()>)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let options = ServeOptions::default();
    let connection = |io, drain| {
        let (handler, options) = (handler.clone(), options.clone());
        async move {
            // A client's errors are its own; those of the handler are for the handler to log.
            if let Err(error) = serve_connection(io, handler, &options, &drain).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
            }
        }
    };
    accept(listener, &options, connection, shutdown).await;
}

/// Answers the requests of one connection until the client ends it, an error does, or `drain` is
/// cancelled and no request is under way.
///
/// ```
/// use policy_net::{ServeOptions, serve_connection};
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
/// let options = ServeOptions::default();
/// serve_connection(server, handler, &options, &CancellationToken::new()).await?;
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
    options: &ServeOptions,
    drain: &CancellationToken,
) -> Result<(), ConnectionError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F,
    F: Future<Output = Result<Response, BoxError>>,
{
    let decoder = Decoder::new().with_limits(options.limits);
    let mut connection = Connection::new(io, decoder, options.patience);
    while let Some(request) = connection.request(drain).await? {
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
/// Of the options it uses `max_connections` and `drain`. Errors of accepting are logged, and waited
/// out when descriptors have run out. A connection that panics ends alone.
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
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            (accepted, place) = accepted => match accepted {
                Ok(io) => {
                    let served = connection(io, drain.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                    tokio::select! {
                        biased;
                        () = &mut shutdown => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
            // Ended connections are forgotten as they end. A panic has been told by the panic hook.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drain.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(options.drain, all_ended).await.is_err() {
        tracing::warn!(count = connections.len(), "connections cut off at the end");
    }
}

/// How long accepting pauses after an error, such as running out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
