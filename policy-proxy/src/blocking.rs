//! Connections to services with sockets that wait, each with an end: for threads that serve no client.

use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use policy_daemon::look_up;
use policy_socket::Endpoint;
use socket2::{Domain, SockAddr, Socket, Type};

/// A connection that waits, opened until then.
pub(crate) fn open(endpoint: &Endpoint, end: Instant) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Unix(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // Over UNIX sockets this is done at once, or would wait for a place in the queue.
            socket.set_nonblocking(true)?;
            let connected = socket.connect(&SockAddr::unix(path)?);
            connected.map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::Error::other("its queue of connections is full"),
                _ => error,
            })?;
            socket.set_nonblocking(false)?;
            Ok(socket)
        }
        Endpoint::Inet { host, port } => connect(host, *port, end),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A connection to the first address that takes one, all of them in this time.
fn connect(host: &str, port: u16, end: Instant) -> io::Result<Socket> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in look_up(host, port, left(end)?)? {
        match TcpStream::connect_timeout(&address, left(end)?) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The time until then. A socket takes no time-out of zero.
pub(crate) fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}
