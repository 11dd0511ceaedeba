//! The opening of connections to a policy server: the seam between failover and sockets.

use std::{fmt, io};

use policy_flow::{Address, BackendConfig};
use tokio::io::{AsyncRead, AsyncWrite};

/// Opens connections to one policy server: the seam between failover and sockets.
///
/// [`Connector`](crate::Connector) opens real ones. Tests put an in-memory pipe in its place, so that a black hole of
/// 30 seconds is over at once on tokio's paused clock:
///
/// ```
/// use policy_net::{Address, AttemptError, BackendConfig, Connect, Request, Upstream, UpstreamOptions};
/// use std::{io, time::Duration};
/// use tokio::{io::DuplexStream, time::Instant};
///
/// #[derive(Debug)]
/// struct BlackHole;
///
/// impl Connect for BlackHole {
///     type Io = DuplexStream;
///
///     async fn connect_to(&self, _: Address) -> io::Result<DuplexStream> {
///         std::future::pending().await
///     }
/// }
///
/// # let mut runtime = tokio::runtime::Builder::new_current_thread();
/// # runtime.enable_time().start_paused(true).build()?.block_on(async {
/// let mut options = UpstreamOptions::default();
/// options.connect = Some(Duration::from_secs(30));
/// let backend = BackendConfig::new("mx1", BlackHole).timeout(Duration::from_secs(60));
/// let upstream = Upstream::new(options, [backend])?;
///
/// let begin = Instant::now();
/// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
/// let exhausted = upstream.ask(&request).await.unwrap_err();
/// assert!(matches!(exhausted.attempts[0].error, AttemptError::TimedOut(_)));
/// assert_eq!(exhausted.to_string(), "no policy server answered: mx1: connecting timed out");
/// assert_eq!(begin.elapsed().as_secs(), 30);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// The type of a connection. It is polled by a task of its own, and dropped to be closed: that must not call the
    /// [`Upstream`](crate::Upstream).
    type Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static;

    /// Opens a connection to one of the server's addresses. It sets no limit of time.
    ///
    /// The returned future may be dropped at any time.
    ///
    /// # Errors
    ///
    /// Why there is no connection.
    fn connect_to(&self, address: Address) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Where the server is, for errors, if its name does not say it already. `None` unless it is implemented.
    fn place(&self) -> Option<String> {
        None
    }

    /// Completes what is said of the backend by where it is: its [address](BackendConfig::address) if that does not
    /// change, else what is looked up and how often. Unless it is implemented there is one address, which says nothing.
    fn describe(&self, backend: &mut BackendConfig) {
        backend.address.get_or_insert(Address::Other(0));
    }

    /// Looks up where the server is now, where [`describe`](Self::describe) leaves that open: any number of addresses,
    /// of which the first eight count. There is one look-up of a server at a time, and it is not dropped when those who
    /// wait for it give up.
    ///
    /// # Errors
    ///
    /// Why nothing was found. What was found before is used on.
    fn resolve(&self) -> impl Future<Output = io::Result<Vec<Address>>> + Send {
        async { Ok(vec![Address::Other(0)]) }
    }

    /// Whether nothing has come over a connection that is idle: neither bytes nor its end. The
    /// connection itself knows only what the runtime has told it, which may be a moment old; here
    /// the system can be asked. True unless it is implemented. With [`Retry::Unsent`](crate::Retry::Unsent) it is asked
    /// before each request.
    fn is_open(&self, _io: &Self::Io) -> bool {
        true
    }

    /// Whether this failure to read proves that the server closed the connection with bytes unread,
    /// the last one written among them. False unless it is implemented: see [`Retry`](crate::Retry).
    fn left_unread(&self, _error: &io::Error) -> bool {
        false
    }
}
