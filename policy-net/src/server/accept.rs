//! The loop of a server: accepts connections, counts them, and ends in order.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Peer, ServeOptions};
use crate::{Listener, Stream};

/// The loop below [`serve`](crate::serve): spawns one future per connection, which is to end soon once its [`Drain`] has
/// begun.
///
/// Of the options it uses `max_connections` and `drain`. An error of accepting is logged as a warning, and 100
/// ms pass before the next try: descriptors have run out, as a rule. A connection that panics ends
/// alone, and its panic is logged as an error.
///
/// When it returns nothing listens any more; the file of a UNIX socket is left, and replaced by the next
/// [`bind`](Listener::bind). Dropping the returned future closes all connections at once.
///
/// ```
/// use policy_net::{Connect, Connector, Listener, ServeOptions, accept};
/// use std::{cell::Cell, time::Duration};
/// use tokio::io::AsyncReadExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let accepted = Cell::new(0);
/// let connection = |io, peer: policy_net::Peer, _drain| {
///     accepted.set(peer.connection());
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
    C: FnMut(Stream, Peer, Drain) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let permits = Arc::new(Semaphore::new(
        options.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let endpoint = listener.endpoint().ok().map(Arc::new);
    let drain = Drain::default();
    let mut connections = JoinSet::new();
    let mut connection = |io, mut peer: Peer, permit| {
        peer = peer.with_connection(NEXT_NUMBER.fetch_add(1, Relaxed));
        if let Some(endpoint) = &endpoint {
            peer = peer.with_listener(Arc::clone(endpoint));
        }
        let panicked = Panicked(peer.clone());
        Counted {
            served: connection(io, peer, drain.clone()),
            panicked,
            permit,
        }
    };
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        // Nothing is lost when another branch is taken: until this future is ready no connection
        // has been accepted, and its permit is free again.
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Ended connections are forgotten as they end, before new ones come: a listener that is
            // never idle must not have them pile up.
            Some(_) = connections.join_next() => {}
            (accepted, permit) = accepted => match accepted {
                Ok((io, peer)) => {
                    connections.spawn(connection(io, peer, permit));
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
    if let Some(queue) = listener.as_queue() {
        // Who has accepted them has given them up.
        queue.close();
        while let Some((io, peer)) = queue.next().await {
            connections.spawn(connection(io, peer, None));
        }
    }
    drop(listener);
    drain.0.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(options.drain, all_ended).await.is_err() {
        tracing::warn!(count = connections.len(), "connections cut off at the end");
    }
}

/// Whether a server is to end: connections between two requests are closed then, and others after their reply. Clones
/// are the same.
///
/// ```
/// use policy_net::Drain;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let drain = Drain::default();
/// let begun = drain.begun();
/// drain.begin();
/// begun.await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Ends when the drain has begun: for [`Connection::request`](crate::Connection::request).
    pub fn begun(&self) -> impl Future<Output = ()> + Send + '_ {
        self.0.cancelled()
    }

    /// Begins it, for all clones.
    pub fn begin(&self) {
        self.0.cancel();
    }
}

pin_project! {
    /// A connection, and the permit that is free again when it ends. It is not an async block since
    /// that would take twice the memory of what it awaits, for as long as the connection lives.
    struct Counted<F> {
        #[pin]
        served: F,
        panicked: Panicked,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<F: Future<Output = ()>> Future for Counted<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().served.poll(cx)
    }
}

/// Logs whose connection it was when a panic drops it. The panic itself is told by the panic hook.
struct Panicked(Peer);

impl Drop for Panicked {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (peer, connection) = (&self.0, self.0.connection());
            tracing::error!(%peer, connection, "the handler of this connection has panicked");
        }
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// How long accepting pauses after an error, such as running out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
