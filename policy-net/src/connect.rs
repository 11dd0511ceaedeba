use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, timeout},
};

use crate::{Endpoint, Stream};

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
    ipv4_first: bool,
    addresses: Mutex<Addresses>,
    /// The look-up under way, if there is one.
    look_up: tokio::sync::Mutex<Option<JoinHandle<Found>>>,
}

#[derive(Debug, Default)]
struct Addresses {
    list: Vec<SocketAddr>,
    fresh_until: Option<Instant>,
}

/// What a look-up came to, perhaps long before anyone asks for it.
#[derive(Debug)]
struct Found {
    list: io::Result<Vec<SocketAddr>>,
    at: Instant,
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
            look_up: tokio::sync::Mutex::default(),
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
        let list = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => {
                let name = (host.to_owned(), port);
                let look_up = move || name.to_socket_addrs().map(Iterator::collect);
                self.resolve(look_up, within).await?
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
        look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
        within: Duration,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let mut under_way = self.look_up.lock().await;
        if let Some(list) = self.fresh() {
            return Ok(list);
        }
        let stale = self.lock().list.clone();
        // With an old address at hand a slow resolver is not worth the attempt's whole time.
        let patience = match stale.is_empty() {
            true => within,
            false => within.min(STALE_PATIENCE),
        };
        let task = under_way.get_or_insert_with(|| {
            spawn_blocking(|| Found {
                list: look_up(),
                at: Instant::now(),
            })
        });
        let found = match timeout(patience, task).await {
            Ok(done) => {
                *under_way = None;
                done?
            }
            Err(_) => Found {
                list: Err(io::ErrorKind::TimedOut.into()),
                at: Instant::now(),
            },
        };
        let mut list = match found.list {
            Err(error) if stale.is_empty() => return Err(error),
            Err(_) => stale,
            Ok(list) => list,
        };
        if self.ipv4_first {
            list.sort_by_key(SocketAddr::is_ipv6);
        }
        *self.lock() = Addresses {
            list: list.clone(),
            fresh_until: Some(found.at + KEEP_ADDRESSES),
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

/// Unlike TCP's, a UNIX socket's full queue is an error at once, where a program that blocks would
/// wait.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::net::TcpListener;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_slow_look_up_serves_the_request_after_the_one_that_gave_up() {
        let connector = connector();
        let (answer, answered) = mpsc::channel();
        let slow = move || answered.recv().map_err(io::Error::other);
        let error = connector.resolve(slow, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let list = addresses(["127.0.0.1:1"]);
        answer.send(list.clone()).unwrap();
        for _ in 0..2 {
            let second = || panic!("there was a look-up under way");
            assert_eq!(connector.resolve(second, PATIENT).await.unwrap(), list);
        }
    }

    #[tokio::test]
    async fn a_failed_look_up_is_not_kept() {
        let connector = connector();
        let failing = || Err(io::ErrorKind::NotFound.into());
        connector.resolve(failing, PATIENT).await.unwrap_err();
        let list = addresses(["127.0.0.1:1"]);
        let working = list.clone();
        let found = connector.resolve(|| Ok(working), PATIENT).await;
        assert_eq!(found.unwrap(), list);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_kept_for_a_minute_and_longer_only_if_there_are_no_new_ones() {
        let connector = connector();
        let (old, new) = (addresses(["127.0.0.1:1"]), addresses(["127.0.0.2:1"]));
        let first = old.clone();
        connector.resolve(|| Ok(first), PATIENT).await.unwrap();
        tokio::time::advance(KEEP_ADDRESSES - Duration::from_millis(1)).await;
        let early = || panic!("the addresses are fresh");
        assert_eq!(connector.resolve(early, PATIENT).await.unwrap(), old);

        tokio::time::advance(Duration::from_millis(1)).await;
        let failing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(connector.resolve(failing, PATIENT).await.unwrap(), old);

        tokio::time::advance(KEEP_ADDRESSES).await;
        let second = new.clone();
        let found = connector.resolve(|| Ok(second), PATIENT).await;
        assert_eq!(found.unwrap(), new);
    }

    #[tokio::test]
    async fn ipv4_comes_first_only_if_asked_for() {
        let mixed = addresses(["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1"]);
        let sorted = addresses(["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::2]:1"]);
        for (connector, wanted) in [
            (connector(), mixed.clone()),
            (connector().ipv4_first(), sorted),
        ] {
            let found = mixed.clone();
            let list = connector.resolve(|| Ok(found), PATIENT).await;
            assert_eq!(list.unwrap(), wanted);
        }
    }

    #[tokio::test]
    async fn the_address_that_worked_comes_first_the_next_time() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().map(|address| (address, live)).unwrap();
        let dead = SocketAddr::from(([127, 0, 0, 2], live.0.port()));
        let connector = knows([dead, live.0]);
        let stream = connector.connect(PATIENT).await.unwrap();
        assert_eq!(peer(&stream), live.0);
        assert_eq!(connector.lock().list, [live.0, dead]);
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

    fn connector() -> Connector {
        Connector::new("inet:policy.example:1".parse().unwrap())
    }

    fn knows(list: impl Into<Vec<SocketAddr>>) -> Connector {
        let connector = connector();
        *connector.lock() = Addresses {
            list: list.into(),
            fresh_until: Some(Instant::now() + PATIENT),
        };
        connector
    }

    fn addresses<const N: usize>(list: [&str; N]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn peer(stream: &Stream) -> SocketAddr {
        match stream {
            Stream::Tcp(stream) => stream.peer_addr().unwrap(),
            Stream::Unix(_) => panic!("{stream:?}"),
        }
    }
}
