//! `try NAME`: whether a service that is down is back, asked now and not by the next request that is due for it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_daemon::control::Done;
use policy_flow::Probe;
use policy_ha::{Mode, Outcome, Status};
use policy_proto::MessageDecoder;
use policy_socket::Endpoint;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Commands, NO_SERVICE};

impl Commands {
    /// Opens a connection to a service that is down and, with `--probe`, asks.
    pub(super) fn ask(&self, name: &str) -> Result<Asked, String> {
        let (shared, id) = self.find(name)?;
        let proxy = &*self.proxy;
        let service = proxy
            .journal
            .service(self.index_of(name)?)
            .ok_or(NO_SERVICE)?;
        if shared.balancer().status(id) == Status::Up {
            return Ok(Asked::IsUp);
        }
        let probe = proxy.check.as_ref().and_then(|check| check.probe.as_ref());
        Ok(
            match ask(&service.endpoint, probe, service.timeout.min(PATIENCE)) {
                Err(error) => Asked::Failed(error),
                Ok(()) if probe.is_some() => Asked::Answered,
                Ok(()) => Asked::Connected,
            },
        )
    }

    /// Notes what came of it. An answer to a probe brings the service back. Without a probe a connection proves little:
    /// then the next request tries the service.
    pub(super) fn asked(&self, name: &str, asked: Asked) -> Result<Done, String> {
        let (shared, id) = self.find(name)?;
        let mode = shared.balancer().mode(id);
        Ok(match asked {
            Asked::IsUp => Done::shown(format!("'{name}' is up\n")),
            Asked::Failed(error) => Done::shown(format!("'{name}' is still down: {error}\n")),
            Asked::Answered => {
                self.is_back(self.index_of(name)?);
                Done::changed(format!("'{name}' answers: it is up"))
            }
            Asked::Connected if mode != Mode::Enabled => {
                let text = format!(
                    "'{name}' takes connections; no new message goes to it until it is enabled\n"
                );
                Done::shown(text)
            }
            Asked::Connected => {
                shared.balancer().set_due(id, Instant::now());
                Done::changed(format!(
                    "'{name}' takes connections: the next request tries it"
                ))
            }
        })
    }

    fn is_back(&self, index: usize) {
        let Some((shared, id)) = self.proxy.health_of(index) else {
            return;
        };
        let changed = shared
            .balancer()
            .observe(Instant::now(), id, Outcome::Success);
        if let Some(transition) = changed {
            self.proxy.journal.changed(index, transition, None);
        }
    }
}

/// What came of a trial.
#[derive(Debug)]
pub(super) enum Asked {
    /// It has not been asked.
    IsUp,
    Failed(io::Error),
    Connected,
    /// The answer passes the probe.
    Answered,
}

/// Connects and, with a probe, asks for an answer that passes.
fn ask(endpoint: &Endpoint, probe: Option<&Probe>, patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    exchange(open(endpoint, end)?, probe, end)
}

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

fn exchange(mut socket: Socket, probe: Option<&Probe>, end: Instant) -> io::Result<()> {
    let Some(probe) = probe else {
        return Ok(());
    };
    socket.set_write_timeout(Some(left(end)?))?;
    socket.write_all(probe.request().as_bytes())?;
    let mut decoder = MessageDecoder::new();
    let (mut received, mut part) = (BytesMut::new(), [0; 1024]);
    loop {
        let decoded = decoder.response(&mut received);
        let decoded = decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some(answer) = decoded {
            return if probe.passes(&answer) {
                Ok(())
            } else {
                let text = String::from_utf8_lossy(answer.as_bytes()).into_owned();
                Err(io::Error::other(format!("it answers '{text}'")))
            };
        }
        socket.set_read_timeout(Some(left(end)?))?;
        match socket.read(&mut part)? {
            0 => return Err(io::Error::other("it closed the connection")),
            count => received.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
}

/// Look-ups that have not ended, of all commands.
static LOOK_UPS: AtomicUsize = AtomicUsize::new(0);
/// As many as there may be commands at once: each waits for one.
const MAX_LOOK_UPS: usize = 8;
/// The longest that a service is waited for: below the patience of who asks for it.
const PATIENCE: Duration = Duration::from_secs(10);

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
