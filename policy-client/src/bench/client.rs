//! One client of a measurement: a connection as one smtpd process has it, and the request that is under way over it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, ToSocketAddrs},
    ops::Range,
    os::unix::net::UnixStream as StdUnixStream,
    path::PathBuf,
    time::Instant,
};

use mio::{
    Interest, Registry, Token,
    net::{TcpStream, UnixStream},
};
use policy_net::Endpoint;

use crate::answer::Answers;

/// A server, its name resolved.
#[derive(Debug)]
pub enum Target {
    /// At this address.
    Tcp(SocketAddr),
    /// At this path.
    Unix(PathBuf),
    /// A process for each connection at the other ends of these, as of spawn(8).
    Open(Vec<StdUnixStream>),
}

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) stream: Option<Stream>,
    /// Whether the server has taken bytes over this connection, and whether it has answered over it.
    pub(crate) is_open: bool,
    pub(crate) has_answered: bool,
    /// Its message, by number, and the requests of it that are left.
    pub(crate) message: u64,
    pub(crate) left: Range<usize>,
    pub(crate) asked: Option<Asked>,
    pub(crate) unsent: Vec<u8>,
    pub(crate) answers: Answers,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) planned: Instant,
    pub(crate) sent: Instant,
    pub(crate) place: usize,
    pub(crate) is_measured: bool,
    pub(crate) is_repeated: bool,
}

impl Target {
    /// Of several addresses the first one that can be connected to: no request is to be lost by a name.
    pub(crate) fn resolve(endpoint: &Endpoint) -> io::Result<Self> {
        let (host, port) = match endpoint {
            Endpoint::Inet { host, port } => (host.as_str(), *port),
            Endpoint::Unix(path) => return Ok(Self::Unix(path.clone())),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        let answers = |address: &&SocketAddr| std::net::TcpStream::connect(address).is_ok();
        let first = match addresses.as_slice() {
            [only] => Some(only),
            several => several.iter().find(answers).or_else(|| several.first()),
        };
        let first = first.ok_or_else(|| io::Error::other("the name has no address"))?;
        Ok(Self::Tcp(*first))
    }
}

impl Stream {
    /// Begins to connect. `WouldBlock` where the queue of a UNIX socket is full.
    pub(crate) fn connect(target: &Target, registry: &Registry, token: Token) -> io::Result<Self> {
        match target {
            Target::Tcp(address) => {
                let mut stream = TcpStream::connect(*address)?;
                // A request is written at once: there is nothing to be delayed.
                stream.set_nodelay(true)?;
                // It is writable once it stands.
                let interest = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut stream, token, interest)?;
                Ok(Self::Tcp(stream))
            }
            Target::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                // It stands. Linux would tell after each read of the server that it is writable.
                registry.register(&mut stream, token, Interest::READABLE)?;
                Ok(Self::Unix(stream))
            }
            Target::Open(streams) => {
                let open = streams.get(token.0).ok_or(io::ErrorKind::NotConnected)?;
                open.set_nonblocking(true)?;
                let mut stream = UnixStream::from_std(open.try_clone()?);
                registry.register(&mut stream, token, Interest::READABLE)?;
                Ok(Self::Unix(stream))
            }
        }
    }

    /// Has the loop told when more can be written.
    pub(crate) fn wait_writable(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            Self::Unix(stream) => {
                registry.reregister(stream, token, Interest::READABLE | Interest::WRITABLE)
            }
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    /// How many bytes were taken; none if there is no room, or not yet a connection.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        };
        match written {
            Err(error)
                if [io::ErrorKind::WouldBlock, io::ErrorKind::NotConnected]
                    .contains(&error.kind()) =>
            {
                Ok(0)
            }
            written => written,
        }
    }
}

impl Client {
    /// Closes the connection.
    pub(crate) fn disconnect(&mut self) {
        self.stream = None;
        self.is_open = false;
        self.has_answered = false;
        self.unsent.clear();
        self.answers.clear();
    }
}
