//! Connections to services with sockets that wait, each with an end: for threads that serve no client.

use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

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
    for address in look_up(host, port, end)? {
        match TcpStream::connect_timeout(&address, left(end)?) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The addresses of a host, found by then. The system's resolver has no time-out: one that has not ended by then goes on by
/// itself, and few of them may.
fn look_up(host: &str, port: u16, end: Instant) -> io::Result<Vec<SocketAddr>> {
    let patience = left(end)?;
    let place = LookUp::begin()
        .ok_or_else(|| io::Error::other("too many names are being looked up already"))?;
    let name = (host.to_owned(), port);
    let (sender, found) = mpsc::channel();
    let look_up = move || {
        let found = (name.0.as_str(), name.1).to_socket_addrs();
        // Who has the answer may look up the next one.
        drop(place);
        // Nobody waits for it any more, perhaps.
        _ = sender.send(found.map(Iterator::collect));
    };
    thread::Builder::new()
        .name("look-up".to_owned())
        .spawn(look_up)?;
    let found = found.recv_timeout(patience);
    found.unwrap_or_else(|_| {
        let text = format!("{host} is not found in time");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

/// One of the look-ups that are under way.
struct LookUp;

impl LookUp {
    fn begin() -> Option<Self> {
        let more = |count| (count < MAX_LOOK_UPS).then_some(count + 1);
        let begun = LOOK_UPS.fetch_update(Relaxed, Relaxed, more);
        // Not `then_some`: a place that is not there would be given back.
        begun.is_ok().then(|| Self)
    }
}

impl Drop for LookUp {
    fn drop(&mut self) {
        LOOK_UPS.fetch_sub(1, Relaxed);
    }
}

/// The time until then. A socket takes no time-out of zero.
pub(crate) fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Look-ups that have not ended, of all commands.
static LOOK_UPS: AtomicUsize = AtomicUsize::new(0);
/// As many as there may be commands at once: each waits for one.
const MAX_LOOK_UPS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_looked_up_at_once_and_none_for_ever() {
        let soon = || Instant::now() + Duration::from_secs(60);
        let found = look_up("localhost", 1, soon()).unwrap();
        assert!(
            found.iter().all(|address| address.ip().is_loopback()),
            "{found:?}"
        );
        let late = look_up("localhost", 1, Instant::now()).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);

        let mut begun: Vec<_> = std::iter::from_fn(LookUp::begin).collect();
        assert!(begun.len() <= MAX_LOOK_UPS);
        let error = look_up("localhost", 1, soon()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "too many names are being looked up already"
        );
        begun.clear();
        assert!(look_up("localhost", 1, soon()).is_ok());
    }
}
