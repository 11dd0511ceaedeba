use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, sleep, timeout},
};

use crate::{Endpoint, Stream};

/// Opens connections to one policy server: the seam between failover and sockets.
///
/// [`Connector`] opens real ones. Tests put an in-memory pipe in its place, so that a black hole of
/// 30 seconds is over at once on tokio's paused clock.
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// What a connection is.
    type Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static;

    /// Opens a connection, within about this time: the caller gives up when it is over, and it is
    /// here so that several addresses can share it.
    fn connect(&self, within: Duration) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// Opens TCP and UNIX connections to an [`Endpoint`].
///
/// A name is resolved when it is needed and its addresses are kept for 60 s; when resolving fails
/// later, the old ones are used. Several addresses are tried one after the other, each for its share
/// of the time, and the one that worked comes first the next time.
#[derive(Debug)]
pub struct Connector {
    endpoint: Endpoint,
    ipv4_first: bool,
    addresses: Mutex<Addresses>,
    /// One look-up at a time: a dead resolver must not collect threads.
    resolving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Addresses {
    list: Vec<SocketAddr>,
    fresh_until: Option<Instant>,
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
            ipv4_first: false,
            addresses: Mutex::default(),
            resolving: tokio::sync::Mutex::default(),
        }
    }

    /// The same, but IPv4 addresses come before IPv6 ones.
    #[must_use]
    pub fn ipv4_first(mut self) -> Self {
        self.ipv4_first = true;
        self
    }

    /// Where it connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn connect_tcp(&self, host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
        let begin = Instant::now();
        let list = self.resolve(host, port, within).await?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (index, address) in list.iter().enumerate() {
            let left = within.saturating_sub(begin.elapsed());
            // A list is never longer than what a resolver returns, far below 2^32.
            let share = left / (list.len() - index) as u32;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    if index > 0 {
                        self.prefer(*address);
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

    async fn resolve(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let _one_at_a_time = self.resolving.lock().await;
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let stale = self.lock().list.clone();
        // With an old address at hand a slow resolver is not worth the attempt's whole time.
        let patience = if stale.is_empty() {
            within
        } else {
            within.min(STALE_PATIENCE)
        };
        let found = match timeout(patience, lookup_host((host, port))).await {
            Ok(found) => found.map(Iterator::collect::<Vec<_>>),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let mut list = match found {
            Err(error) if stale.is_empty() => return Err(error),
            Err(_) => stale,
            Ok(list) => list,
        };
        if self.ipv4_first {
            list.sort_by_key(SocketAddr::is_ipv6);
        }
        let fresh_until = Some(Instant::now() + KEEP_ADDRESSES);
        *self.lock() = Addresses {
            list: list.clone(),
            fresh_until,
        };
        Ok(list)
    }

    fn fresh(&self) -> Option<Vec<SocketAddr>> {
        let addresses = self.lock();
        let until = addresses.fresh_until?;
        (Instant::now() < until).then(|| addresses.list.clone())
    }

    fn prefer(&self, address: SocketAddr) {
        self.lock().list.sort_by_key(|other| *other != address);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Addresses> {
        // Nothing that holds the lock can panic half-way.
        self.addresses
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
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
}

/// Unlike TCP's, a UNIX socket's full queue is an error at once, where a program that blocks would wait.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_PAUSE).await,
            connected => return connected,
        }
    }
}

/// How long to wait for room in the queue of a UNIX socket: a few requests' time.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);
/// How long a name's addresses are taken for current.
const KEEP_ADDRESSES: Duration = Duration::from_secs(60);
/// How long a look-up may take while older addresses are known.
const STALE_PATIENCE: Duration = Duration::from_secs(1);
