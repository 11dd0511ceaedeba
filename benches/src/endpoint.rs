//! Where programs under measurement listen.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::id,
    str::FromStr,
};

use tempfile::TempDir;

/// A TCP port or a UNIX socket, written as hapolicy does.
///
/// ```
/// use policy_benches::endpoint::Endpoint;
///
/// let endpoint: Endpoint = "inet:127.0.0.1:10040".parse()?;
/// assert_eq!(endpoint.to_string(), "inet:127.0.0.1:10040");
/// assert!("127.0.0.1".parse::<Endpoint>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `inet:127.0.0.1:10040`
    Tcp(SocketAddr),
    /// `unix:/run/policy`
    Unix(PathBuf),
}

impl Endpoint {
    /// Whether somebody listens there.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).is_ok(),
            Self::Unix(path) => UnixStream::connect(path).is_ok(),
        }
    }

    /// As policy services are written in hapolicy's `-s`.
    #[must_use]
    pub fn service(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "inet:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = text
            .strip_prefix("inet:")
            .and_then(|text| text.parse().ok());
        address
            .map(Self::Tcp)
            .ok_or_else(|| format!("no endpoint: {text}"))
    }
}

/// Gives out endpoints at which nobody listens.
#[derive(Debug)]
pub struct Ground {
    room: TempDir,
    given: u32,
}

impl Ground {
    /// With a directory for sockets, which goes with it.
    ///
    /// # Errors
    ///
    /// If there is no room for temporary files.
    pub fn new() -> io::Result<Self> {
        let room = TempDir::new()?;
        Ok(Self { room, given: 0 })
    }

    /// A directory for whatever goes with the endpoints.
    #[must_use]
    pub fn room(&self) -> PathBuf {
        self.room.path().to_owned()
    }

    /// The path of another UNIX socket.
    pub fn unix(&mut self) -> Endpoint {
        self.given += 1;
        Endpoint::Unix(self.room.path().join(self.given.to_string()))
    }

    /// Another port of loopback, below those that the system gives to clients, of which thousands come
    /// and go in a measurement.
    ///
    /// # Errors
    ///
    /// If none can be had.
    pub fn tcp(&mut self) -> io::Result<Endpoint> {
        loop {
            self.given += 1;
            let port = 10_000 + (self.given + id()) % 20_000;
            let port = u16::try_from(port).map_err(io::Error::other)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match TcpListener::bind(address) {
                Ok(_) => return Ok(Endpoint::Tcp(address)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
    }
}
