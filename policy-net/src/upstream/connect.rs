//! The one seam between the pool and the network: how a connection is opened.

use std::{fmt, io, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::seems_silent;

/// Opens connections to one policy server: the seam between failover and sockets.
///
/// [`Connector`](crate::Connector) opens real ones. Tests put an in-memory pipe in its place, so that a black hole of
/// 30 seconds is over at once on tokio's paused clock:
///
/// ```
/// use policy_net::{AttemptError, Connect, Pool, PoolOptions};
/// use std::{io, time::Duration};
/// use tokio::{io::DuplexStream, time::Instant};
///
/// #[derive(Debug)]
/// struct BlackHole;
///
/// impl Connect for BlackHole {
///     type Io = DuplexStream;
///
///     async fn connect(&self, _within: Duration) -> io::Result<DuplexStream> {
///         std::future::pending().await
///     }
/// }
///
/// # let mut runtime = tokio::runtime::Builder::new_current_thread();
/// # runtime.enable_time().start_paused(true).build()?.block_on(async {
/// let begin = Instant::now();
/// let mut lease = Pool::new(BlackHole, PoolOptions::default()).lease(Duration::MAX).await?;
/// let error = lease.open(Duration::from_secs(30)).await.unwrap_err();
/// assert!(matches!(error, AttemptError::TimedOut(_)));
/// assert_eq!(begin.elapsed().as_secs(), 30);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// What a connection is.
    type Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static;

    /// Opens a connection, within about this time: the caller gives up when it is over, and it is
    /// here so that several addresses can share it.
    ///
    /// The returned future may be dropped at any time.
    ///
    /// # Errors
    ///
    /// Why there is no connection; [`io::ErrorKind::TimedOut`] counts as a time-out, and with a
    /// [`TimedOut`](crate::TimedOut) in it, which converts into such an error, it says of what.
    fn connect(&self, within: Duration) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Whether nothing has come over a connection that is idle: neither bytes nor its end. The
    /// connection itself knows only what the runtime has told it, which may be a moment old; here
    /// the system can be asked. True unless it is implemented.
    fn is_silent(&self, _io: &Self::Io) -> bool {
        true
    }

    /// Whether nothing has come over a connection that is idle, as far as its runtime knows. It is asked
    /// before and after each request. Unless it is implemented, the connection is read from, which costs
    /// more than a look.
    ///
    /// It must not wait, nor depend on how much of its [budget](tokio::task::coop) a task has left. Where
    /// it is true by mistake, what has come is taken for the answer to the next request; where it is
    /// false, the connection is closed.
    fn seems_silent(&self, io: &mut Self::Io) -> bool {
        seems_silent(io)
    }

    /// Has the runtime that this is called in look after an idle connection that another one has
    /// opened: see [`Upstream::for_worker`](crate::Upstream::for_worker). As it is unless it is
    /// implemented, which is right where no runtime looks after it.
    ///
    /// # Errors
    ///
    /// Any: the connection is closed, and another one is used.
    fn adopt(&self, io: Self::Io) -> io::Result<Self::Io> {
        Ok(io)
    }

    /// Whether this failure to read proves that the server closed the connection with bytes unread,
    /// the last one written among them. False unless it is implemented: see [`Retry`](crate::Retry).
    fn left_unread(&self, _error: &io::Error) -> bool {
        false
    }
}
