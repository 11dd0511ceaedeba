//! One connection, over TCP or over a UNIX socket.

use std::{
    io::{self, Read, Write},
    net,
    os::unix,
};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpStream, UnixStream},
};
use policy_benches::endpoint::Endpoint;

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Waits until the connection stands: on one machine that is at once, unless the queue of the
    /// listener is full.
    pub(crate) fn connect(to: &Endpoint) -> io::Result<Self> {
        match to {
            Endpoint::Tcp(address) => {
                let stream = net::TcpStream::connect(address)?;
                // As any client that writes a request at once: there is nothing to be delayed.
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpStream::from_std(stream)))
            }
            Endpoint::Unix(path) => Self::from_std(unix::net::UnixStream::connect(path)?),
        }
    }

    pub(crate) fn from_std(stream: unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::Unix(UnixStream::from_std(stream)))
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        };
        registry.register(source, Token(token), Interest::READABLE)
    }

    /// Writes all of it. What is under way to one peer is always less than its socket's buffer.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }
}
