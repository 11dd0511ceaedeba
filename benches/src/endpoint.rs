//! Addresses at which programs under measurement listen.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::id,
    str::FromStr,
};

use socket2::{Domain, SockAddr, Socket, Type};
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
    /// Connects, and waits until the connection stands.
    pub fn connect(&self) -> io::Result<Socket> {
        let (socket, address) = self.socket()?;
        socket.connect(&address)?;
        Ok(socket)
    }

    /// Listens with a queue for all the clients of a measurement. A socket file that is there is replaced.
    pub fn listen(&self) -> io::Result<Socket> {
        if let Self::Unix(path) = self {
            // An error says that there is none.
            _ = fs::remove_file(path);
        }
        let (socket, address) = self.socket()?;
        socket.set_reuse_address(true)?;
        socket.bind(&address)?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }

    /// As policy-client has it.
    #[must_use]
    pub fn policy(&self) -> policy_net::Endpoint {
        match self {
            Self::Tcp(address) => policy_net::Endpoint::Inet {
                host: address.ip().to_string(),
                port: address.port(),
            },
            Self::Unix(path) => policy_net::Endpoint::Unix(path.clone()),
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

    fn socket(&self) -> io::Result<(Socket, SockAddr)> {
        match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                // A message is written at once: there is nothing to be delayed. Accepted sockets inherit this.
                socket.set_tcp_nodelay(true)?;
                Ok((socket, (*address).into()))
            }
            Self::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                Ok((socket, SockAddr::unix(path)?))
            }
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

/// Free endpoints, and a directory that ends with them.
#[derive(Debug)]
pub struct Endpoints {
    directory: TempDir,
    given: u32,
}

impl Endpoints {
    /// None is given yet.
    pub fn new() -> io::Result<Self> {
        let directory = TempDir::new()?;
        Ok(Self {
            directory,
            given: 0,
        })
    }

    /// The directory, for files that belong to the endpoints.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The path of another UNIX socket.
    pub fn unix(&mut self) -> Endpoint {
        self.given += 1;
        Endpoint::Unix(self.directory.path().join(self.given.to_string()))
    }

    /// Another port of loopback, below those that the system gives to clients, of which thousands come
    /// and go in a measurement.
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

/// More than all the clients that come at once.
const BACKLOG: i32 = 4096;
