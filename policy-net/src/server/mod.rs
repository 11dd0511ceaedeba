//! Serving connections with a handler.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use crate::Listener;

mod accept;
pub use accept::{Drain, accept};

mod box_error;
pub use box_error::BoxError;

mod clients;
pub use clients::Clients;

mod connection;
pub use connection::Connection;

mod error;
pub use error::ConnectionError;

mod gone;

mod handler;
pub use handler::Handler;

mod options;
pub use options::ServeOptions;

mod peer;
pub use peer::{Credentials, Peer};

mod registration;
mod reply;
mod wire;

/// A policy server: answers the requests of all connections until `shutdown` ends.
///
/// An error of the handler closes the connection without an
/// answer, as the protocol wants it of a server in trouble; so does a panic. When `shutdown` ends,
/// nothing more is accepted, requests under way are answered, the rest of one that has begun is waited for 3 s, and idle
/// connections are closed. It has the default limits of [`ServeOptions`]; for others, see [`serve_with`].
///
/// The end of a connection is logged: [`ConnectionError::log`] has the levels.
///
/// ```
/// use policy_net::{Client, Connector, Listener, Request, Response, attr, serve};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let handler = async |request: Request| match request.sender() {
///     Some(sender) if sender.ends_with(b"@spam.example") => Ok(Response::reject("spam")?),
///     _ => Ok(Response::dunno()),
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
pub async fn serve(
    listener: Listener,
    handler: impl Handler + 'static,
    shutdown: impl Future<Output = ()>,
) {
    serve_with(listener, handler, &ServeOptions::default(), shutdown).await;
}

/// Serves as [`serve`] does, with other limits.
///
/// ```no_run
/// use policy_net::{Listener, Response, ServeOptions, serve_with};
/// use std::{future::pending, time::Duration};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut options = ServeOptions::default();
/// options.deadline = Duration::from_secs(10);
/// options.clients.memory = Some(64 << 20);
/// let listener = Listener::bind(&"unix:/run/policy/policy.sock".parse()?).await?;
/// serve_with(listener, async |_| Ok(Response::dunno()), &options, pending()).await;
/// # Ok(())
/// # }
/// ```
pub async fn serve_with(
    listener: Listener,
    handler: impl Handler + 'static,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()>,
) {
    let handler = Arc::new(handler);
    serve_each(listener, |_| Arc::clone(&handler), options, shutdown).await;
}

/// Serves with a handler of its own for each connection, which keeps what is to be known of that connection alone. It
/// is dropped when the connection ends.
///
/// Postfix keeps a connection for several messages, and sends all requests about one message over the same one.
///
/// ```
/// use policy_net::{BoxError, Client, Connector, Handler, Listener, Peer, Request, Response};
/// use policy_net::{ServeOptions, serve_each};
/// use std::{sync::atomic::{AtomicU32, Ordering::Relaxed}, time::Duration};
///
/// /// Counts the requests of one connection.
/// #[derive(Default)]
/// struct Count(AtomicU32);
///
/// impl Handler for Count {
///     async fn handle(&self, _: Request, _: &Peer) -> Result<Response, BoxError> {
///         let number = self.0.fetch_add(1, Relaxed) + 1;
///         Ok(Response::new(format!("INFO request {number}"))?)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let client = async {
///     let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
///     for _ in 0..2 {
///         let mut client = Client::new(connector.connect(Duration::from_secs(3)).await?);
///         assert_eq!(client.ask(&request).await?.as_str(), Some("INFO request 1"));
///         assert_eq!(client.ask(&request).await?.as_str(), Some("INFO request 2"));
///     }
///     Ok::<(), Box<dyn std::error::Error>>(())
/// };
/// let mut asked = Ok(());
/// let shutdown = async { asked = client.await };
/// serve_each(listener, |_peer| Count::default(), &ServeOptions::default(), shutdown).await;
/// asked
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn serve_each<H: Handler + 'static>(
    listener: Listener,
    mut handler: impl FnMut(&Peer) -> H,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()>,
) {
    let clients = Clients::new(*options);
    let hurried = clients.clone();
    let shutdown = async move {
        shutdown.await;
        hurried.hurry();
    };
    let connection = |io, peer: Peer, drain: Drain| {
        let (handler, clients) = (handler(&peer), clients.clone());
        async move {
            let served = serve_connection(io, &handler, clients, &peer, drain.begun()).await;
            if let Err(error) = served {
                error.log(&peer);
            }
        }
    };
    accept(listener, options, connection, shutdown).await;
}

/// Answers the requests of one connection, one after the other, until the client ends it, an error
/// does, or `drain` ends and no request is under way. Any stream will do: a TLS session, or a pipe in a test.
///
/// The work on a request is dropped when its client is known to have gone (see
/// [`Connection::gone`]), and when the [`deadline`](ServeOptions::deadline) is over. Connections of one server have the
/// same `clients`, which share a limit of memory.
///
/// It is not cancel safe: when the returned future is dropped, the connection is closed, and a request that has come is
/// not answered. Have `drain` end instead.
///
/// ```
/// use policy_net::{Clients, Peer, Response, serve_connection};
/// use std::future::pending;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"request=smtpd_access_policy\n\n").await?;
/// client.shutdown().await?;
///
/// let handler = async |_| Ok(Response::dunno());
/// serve_connection(server, &handler, Clients::default(), &Peer::default(), pending()).await?;
///
/// let mut reply = String::new();
/// client.read_to_string(&mut reply).await?;
/// assert_eq!(reply, "action=DUNNO\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Why the connection had to end: [`ConnectionError`].
pub async fn serve_connection<Io: AsyncRead + AsyncWrite + Unpin>(
    io: Io,
    handler: &impl Handler,
    clients: impl Into<Clients>,
    peer: &Peer,
    drain: impl Future<Output = ()>,
) -> Result<(), ConnectionError> {
    let clients = clients.into();
    let deadline = clients.options().deadline;
    let mut connection = Connection::new(io, clients);
    let (mut drain, mut is_drained) = (pin!(drain), false);
    // It may have ended while a request came, and a future is not polled after its end.
    let mut poll_drain = |cx: &mut Context<'_>| {
        if !is_drained {
            ready!(drain.as_mut().poll(cx));
            is_drained = true;
        }
        Poll::Ready(())
    };
    while let Some(request) = connection.request(poll_fn(&mut poll_drain)).await? {
        let response = tokio::select! {
            biased;
            response = handler.handle(request, peer) => response.map_err(|error| ConnectionError::Handler(error.into_inner()))?,
            () = connection.gone() => return Ok(()),
            () = sleep(deadline) => return Err(ConnectionError::Deadline(deadline)),
        };
        connection.reply(&response).await?;
    }
    Ok(())
}
