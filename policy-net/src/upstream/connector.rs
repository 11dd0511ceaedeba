//! Opening TCP and UNIX connections to an endpoint.

use std::{
    io,
    net::{IpAddr, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use rustix::io::Errno;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{Connect, Endpoint, Stream, TimedOut, UnixStream, resolve::Resolver};

/// Opens TCP and UNIX connections to an [`Endpoint`].
///
/// A name is resolved by the system, on a thread of its own, when it is needed; its addresses are
/// kept for 60 s. When resolving fails later, or takes more than 1 s, the old ones are used for as
/// long again. A look-up goes on when those who wait for it give up, and there is one at a time: a
/// slow resolver costs one thread, and its answer is there for the next request.
///
/// Several addresses are tried one after the other, each for its share of the time, and the one
/// that worked comes first until the name is resolved again. At most 8 are tried: those that come first, and
/// of more the one that worked last is among them, first of all. A name that has hundreds, be it hostile or broken,
/// would else leave none of them the time to answer. A connection over a UNIX socket whose
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
                self.resolver.resolve(host, look_up, within).await?
            }
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (index, address) in list.iter().enumerate() {
            let left = within.saturating_sub(begin.elapsed());
            // There are at most eight.
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
                Err(_) => last = TimedOut::Connect(Some(address.to_string().into())).into(),
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
                let connected = timeout(within, connect_unix(path)).await;
                let timed_out = |_| TimedOut::Connect(Some(self.endpoint.to_string().into()));
                Ok(Stream::Unix(connected.map_err(timed_out)??))
            }
        }
    }

    fn is_silent(&self, io: &Stream) -> bool {
        io.is_silent()
    }

    fn seems_silent(&self, io: &mut Stream) -> bool {
        io.seems_silent()
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
    use std::{
        net::SocketAddr,
        os::fd::{AsFd, OwnedFd},
    };

    use tokio::{
        io::{AsyncReadExt, Interest},
        net::TcpListener,
    };

    use super::*;
    use crate::unix_stream::registered;

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

        let error = knows([hole.address]).connect(PATIENT).await.unwrap_err();
        let said = format!("connecting to {} timed out", hole.address);
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::TimedOut, said)
        );
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

    #[tokio::test]
    async fn what_the_runtime_knows_of_an_idle_connection_is_found_without_reading_it() {
        use std::io::Write;

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let connector = knows([]);
        for (is_tcp, ends) in [(true, false), (true, true), (false, false), (false, true)] {
            let (near, mut far): (OwnedFd, Box<dyn Write>) = match is_tcp {
                true => {
                    let near = std::net::TcpStream::connect(listener.local_addr().unwrap());
                    (near.unwrap().into(), Box::new(listener.accept().unwrap().0))
                }
                false => {
                    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
                    (near.into(), Box::new(far))
                }
            };
            let mut near = Stream::try_from(near).unwrap();
            assert!(connector.seems_silent(&mut near));
            match ends {
                false => far.write_all(b"a").unwrap(),
                true => drop(far),
            }
            assert!(connector.seems_silent(&mut near), "nothing has been heard");
            readable(&near).await;
            assert!(!connector.seems_silent(&mut near), "{is_tcp} {ends}");
            let mut read = String::new();
            if !ends {
                near.take(1).read_to_string(&mut read).await.unwrap();
                assert_eq!(read, "a");
            }
        }
    }

    /// Has the runtime look at its sockets until it knows of something to be read.
    async fn readable(stream: &Stream) {
        let twin = stream.as_fd().try_clone_to_owned().unwrap();
        let twin = registered(twin, Interest::READABLE).unwrap();
        twin.readable().await.unwrap().retain_ready();
        tokio::task::yield_now().await;
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
