use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{Endpoint, Stream, UnixStream, resolve::Resolver};

/// Opens connections to one policy server: the seam between failover and sockets.
///
/// [`Connector`] opens real ones. Tests put an in-memory pipe in its place, so that a black hole of
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
/// assert!(matches!(error, AttemptError::TimedOut));
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
    /// Why there is no connection; [`io::ErrorKind::TimedOut`] counts as a time-out.
    fn connect(&self, within: Duration) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Whether nothing has come over a connection that is idle: neither bytes nor its end. The
    /// connection itself knows only what the runtime has told it, which may be a moment old; here
    /// the system can be asked. True unless it is implemented.
    fn is_silent(&self, _io: &Self::Io) -> bool {
        true
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

/// Opens TCP and UNIX connections to an [`Endpoint`].
///
/// A name is resolved by the system, on a thread of its own, when it is needed; its addresses are
/// kept for 60 s. When resolving fails later, or takes more than 1 s, the old ones are used for as
/// long again. A look-up goes on when those who wait for it give up, and there is one at a time: a
/// slow resolver costs one thread, and its answer is there for the next request.
///
/// Several addresses are tried one after the other, each for its share of the time, and the one
/// that worked comes first until the name is resolved again. A connection over a UNIX socket whose
/// queue is full is tried until the time is over.
///
/// ```
/// use policy_net::{Connect, Connector, Listener};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
/// let connector = Connector::new(listener.endpoint()?);
/// let (near, far) = tokio::join!(connector.connect(Duration::from_secs(3)), listener.accept());
/// assert!(near.is_ok() && far.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connector {
    endpoint: Endpoint,
    resolver: Resolver,
}

impl Connector {
    /// Connects to this endpoint, trying addresses in the order of the system's resolver.
    ///
    /// ```
    /// use policy_net::Connector;
    ///
    /// let connector = Connector::new("inet:127.0.0.1:10031".parse()?);
    /// assert_eq!(connector.endpoint().to_string(), "inet:127.0.0.1:10031");
    /// # Ok::<(), policy_net::InvalidEndpoint>(())
    /// ```
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            resolver: Resolver::default(),
        }
    }

    /// The same, but IPv4 addresses come before IPv6 ones.
    #[must_use]
    pub fn ipv4_first(mut self) -> Self {
        self.resolver.ipv4_first = true;
        self
    }

    /// Where it connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn connect_tcp(&self, host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
        let begin = Instant::now();
        let list = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => {
                let name = (host.to_owned(), port);
                let look_up = move || name.to_socket_addrs().map(Iterator::collect);
                self.resolver.resolve(look_up, within).await?
            }
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (index, address) in list.iter().enumerate() {
            let left = within.saturating_sub(begin.elapsed());
            // A list is never longer than what a resolver returns, far below 2^32.
            let share = left / (list.len() - index) as u32;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    if index > 0 {
                        self.resolver.prefer(*address);
                    }
                    // A request is one write: there is nothing to gather.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

impl Connect for Connector {
    type Io = Stream;

    async fn connect(&self, within: Duration) -> io::Result<Stream> {
        match &self.endpoint {
            Endpoint::Inet { host, port } => {
                self.connect_tcp(host, *port, within).await.map(Stream::Tcp)
            }
            Endpoint::Unix(path) => {
                let stream = timeout(within, connect_unix(path)).await??;
                Ok(Stream::Unix(stream))
            }
        }
    }

    fn is_silent(&self, io: &Stream) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(recv(io, &mut [0; 1], flags), Err(Errno::AGAIN))
    }

    fn adopt(&self, io: Stream) -> io::Result<Stream> {
        io.adopt()
    }

    fn left_unread(&self, error: &io::Error) -> bool {
        // Linux sets it when it closes a UNIX socket whose queue is not empty, and for nothing else.
        cfg!(target_os = "linux")
            && matches!(self.endpoint, Endpoint::Unix(_))
            && Errno::from_io_error(error) == Some(Errno::CONNRESET)
    }
}

/// Unlike TCP's, a UNIX socket's full queue is an error at once, where a program that blocks would
/// wait.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match tokio::net::UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_PAUSE).await,
            connected => return UnixStream::from_std(connected?.into_std()?),
        }
    }
}

/// How long to wait for room in the queue of a UNIX socket: a few requests' time.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);
#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_address_that_worked_comes_first_the_next_time() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().map(|address| (address, live)).unwrap();
        let dead = SocketAddr::from(([127, 0, 0, 2], live.0.port()));
        let connector = knows([dead, live.0]);
        let stream = connector.connect(PATIENT).await.unwrap();
        assert_eq!(peer(&stream), live.0);
        assert_eq!(connector.resolver.fresh(), Some(vec![live.0, dead]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_swallows_connections_takes_no_more_than_its_share() {
        let hole = Hole::new().await;
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().map(|address| (address, live)).unwrap();
        let connector = knows([hole.address, live.0]);
        let begin = Instant::now();
        let stream = connector.connect(Duration::from_secs(4)).await;
        assert_eq!(peer(&stream.unwrap()), live.0);
        assert_eq!(begin.elapsed().as_secs(), 2, "half of it for each of two");
    }

    #[tokio::test]
    async fn the_system_is_asked_whether_an_idle_connection_is_silent() {
        use std::io::Write;

        // Nothing is awaited, so that the runtime hears of nothing.
        let connector = knows([]);
        for ends in [false, true] {
            let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let near = Stream::Unix(UnixStream::from_std(near).unwrap());
            assert!(connector.is_silent(&near));
            match ends {
                false => far.write_all(b"action=STALE\n\n").unwrap(),
                true => drop(far),
            }
            assert!(!connector.is_silent(&near));
        }
    }

    /// A socket whose queue is full: the system drops what comes.
    struct Hole {
        address: SocketAddr,
        _listener: TcpListener,
        _queued: Vec<TcpStream>,
    }

    impl Hole {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            rustix::net::listen(&listener, 0).unwrap();
            let address = listener.local_addr().unwrap();
            let mut queued = Vec::new();
            let brief = Duration::from_millis(100);
            while let Ok(stream) = timeout(brief, TcpStream::connect(address)).await {
                queued.push(stream.unwrap());
            }
            Self {
                address,
                _listener: listener,
                _queued: queued,
            }
        }
    }

    fn knows(list: impl Into<Vec<SocketAddr>>) -> Connector {
        let connector = Connector::new("inet:policy.example:1".parse().unwrap());
        connector.resolver.keep(list.into(), Instant::now());
        connector
    }

    fn peer(stream: &Stream) -> SocketAddr {
        match stream {
            Stream::Tcp(stream) => stream.peer_addr().unwrap(),
            Stream::Unix(_) => panic!("{stream:?}"),
        }
    }
}
