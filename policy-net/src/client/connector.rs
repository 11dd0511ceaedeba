//! Opening TCP and UNIX connections to an endpoint.

use std::{io, net::IpAddr, path::Path, time::Duration};

use policy_flow::{Address, BackendConfig, TimedOut};
use policy_socket::{SocketFileId, is_unread, keep_alive};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{Connect, resolver::look_up};
use crate::{Endpoint, Stream, UnixStream};

/// Opens TCP and UNIX connections to an [`Endpoint`].
///
/// A name is resolved by the system, on a thread of its own, and again every 60 s while it is in use: connections to
/// an address that it has no more are not used again. When resolving fails later, the old addresses are used on. There
/// is one look-up at a time, which goes on when those who wait for it give up: a slow resolver costs one thread, and its
/// answer is there for the next request.
///
/// Several addresses are tried 250 ms apart, as RFC 8305 says, and the first that is connected is used. One that failed
/// or hung goes behind the others. At most eight are used.
///
/// A connection over a UNIX socket whose queue is full is tried until the time is over. A socket that was bound again
/// under the same path is another server: it is found within a second.
///
/// ```
/// use policy_net::{Connector, Listener};
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
#[derive(Clone, Debug)]
pub struct Connector {
    endpoint: Endpoint,
    ipv4_first: bool,
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
    pub const fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            ipv4_first: false,
        }
    }

    /// Has IPv4 addresses come before IPv6 ones.
    #[must_use]
    pub const fn ipv4_first(mut self) -> Self {
        self.ipv4_first = true;
        self
    }

    /// Where it connects to.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// One connection within this time, for a [`Client`](crate::Client): the first eight addresses are tried one after
    /// the other, each for its share of what is left. An [`Upstream`](crate::Upstream) does better.
    ///
    /// It is not cancel safe, but nothing is left behind: a connection that is being opened is given up.
    ///
    /// # Errors
    ///
    /// Why the last address could not be connected to; [`io::ErrorKind::TimedOut`] with a
    /// [`TimedOut`](crate::TimedOut) in it that says of what.
    pub async fn connect(&self, within: Duration) -> io::Result<Stream> {
        let begin = Instant::now();
        let list = match self.address() {
            Some(address) => vec![address],
            None => match timeout(within, self.resolve()).await {
                Ok(list) => list?,
                Err(_) => return Err(timed_out(TimedOut::LookUp(self.host().into()))),
            },
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let list = list.get(..MAX_ADDRESSES).unwrap_or(&list);
        for (left, address) in (1..=list.len() as u32).rev().zip(list) {
            let share = within.saturating_sub(begin.elapsed()) / left;
            match timeout(share, self.connect_to(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    let to = match address {
                        Address::Inet(address) => address.to_string(),
                        _ => self.endpoint.to_string(),
                    };
                    last = timed_out(TimedOut::Connect(Some(to.into())));
                }
            }
        }
        Err(last)
    }

    /// Where it is, if that is known.
    fn address(&self) -> Option<Address> {
        let Endpoint::Inet { host, port } = &self.endpoint else {
            return None;
        };
        let address: IpAddr = host.parse().ok()?;
        Some(Address::Inet((address, *port).into()))
    }

    /// The name that is looked up.
    fn host(&self) -> String {
        match &self.endpoint {
            Endpoint::Inet { host, .. } => host.clone(),
            Endpoint::Unix(path) => path.display().to_string(),
            other => other.to_string(),
        }
    }
}

impl Connect for Connector {
    type Io = Stream;

    async fn connect_to(&self, address: Address) -> io::Result<Stream> {
        match (&self.endpoint, address) {
            (_, Address::Inet(address)) => {
                let stream = TcpStream::connect(address).await?;
                // A request is one write: there is nothing to gather.
                stream.set_nodelay(true)?;
                // Where the system cannot do it, time-outs find out.
                _ = keep_alive(&stream);
                Ok(Stream::Tcp(stream))
            }
            (Endpoint::Unix(path), _) => connect_unix(path).await.map(Stream::Unix),
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    fn place(&self) -> Option<String> {
        Some(self.endpoint.to_string())
    }

    fn describe(&self, backend: &mut BackendConfig) {
        backend.address = self.address();
        backend.host = self.host().into();
        if let Endpoint::Unix(_) = self.endpoint {
            backend.refresh = backend.refresh.min(UNIX_REFRESH);
        }
    }

    async fn resolve(&self) -> io::Result<Vec<Address>> {
        match &self.endpoint {
            Endpoint::Inet { host, port } => {
                let mut list = look_up(host, *port).await?;
                if self.ipv4_first {
                    list.sort_by_key(std::net::SocketAddr::is_ipv6);
                }
                Ok(list.into_iter().map(Address::Inet).collect())
            }
            Endpoint::Unix(path) => {
                let SocketFileId { device, inode } = SocketFileId::at(path)?;
                Ok(vec![Address::Unix { device, inode }])
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn is_open(&self, io: &Stream) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(recv(io, &mut [0; 1], flags), Err(Errno::WOULDBLOCK))
    }

    fn left_unread(&self, error: &io::Error) -> bool {
        matches!(self.endpoint, Endpoint::Unix(_)) && is_unread(error)
    }
}

fn timed_out(late: TimedOut) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, late)
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
/// How soon a socket that was bound again is found.
const UNIX_REFRESH: Duration = Duration::from_secs(1);
/// As many addresses of a name as are tried.
const MAX_ADDRESSES: usize = 8;
