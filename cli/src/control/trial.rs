//! `try NAME`: whether a service that is down is back, asked now and not by the next request that is due for it.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_daemon::control::Done;
use policy_flow::Probe;
use policy_ha::{BackendId, Outcome, Status};
use policy_proto::MessageDecoder;
use policy_socket::Endpoint;

use super::{Commands, NO_SERVICE};

impl Commands {
    /// Opens a connection and, with `--probe`, asks. An answer to a probe brings the service back. Without a probe a
    /// connection proves little: then the next request tries the service.
    pub(super) fn try_now(&self, name: &str) -> Result<Done, String> {
        let id = self.find(name)?;
        let proxy = &*self.proxy;
        let shared = proxy.shared.as_ref().ok_or(NO_SERVICE)?;
        let service = proxy.journal.service(id.index()).ok_or(NO_SERVICE)?;
        if shared.balancer().status(id) == Status::Up {
            return Ok(Done::shown(format!("'{name}' is up\n")));
        }
        let probe = proxy.check.as_ref().and_then(|check| check.probe.as_ref());
        let asked = ask(&service.endpoint, probe, service.timeout.min(PATIENCE));
        match asked {
            Err(error) => Ok(Done::shown(format!("'{name}' is still down: {error}\n"))),
            Ok(()) if probe.is_some() => {
                self.is_back(id);
                Ok(Done::changed(format!("'{name}' answers: it is up")))
            }
            Ok(()) => {
                shared.balancer().set_due(id, Instant::now());
                let line = format!("'{name}' takes connections: the next request tries it");
                Ok(Done::changed(line))
            }
        }
    }

    fn is_back(&self, id: BackendId) {
        let Some(shared) = &self.proxy.shared else {
            return;
        };
        let changed = shared
            .balancer()
            .observe(Instant::now(), id, Outcome::Success);
        if let Some(transition) = changed {
            self.proxy.journal.changed(id.index(), transition, None);
        }
    }
}

/// Connects and, with a probe, asks for an answer that passes.
fn ask(endpoint: &Endpoint, probe: Option<&Probe>, patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    match endpoint {
        Endpoint::Unix(path) => exchange(UnixStream::connect(path)?, probe, end, |stream, left| {
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))
        }),
        Endpoint::Inet { host, port } => {
            let stream = connect(host, *port, patience)?;
            exchange(stream, probe, end, |stream, left| {
                stream.set_read_timeout(Some(left))?;
                stream.set_write_timeout(Some(left))
            })
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A connection to the first address that takes one.
fn connect(host: &str, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn exchange<S: Read + Write>(
    mut stream: S,
    probe: Option<&Probe>,
    end: Instant,
    set_timeout: impl Fn(&S, Duration) -> io::Result<()>,
) -> io::Result<()> {
    let Some(probe) = probe else {
        return Ok(());
    };
    let left = || {
        let left = end.saturating_duration_since(Instant::now());
        let is_over = left < Duration::from_millis(1);
        if is_over {
            Err(io::Error::from(io::ErrorKind::TimedOut))
        } else {
            Ok(left)
        }
    };
    set_timeout(&stream, left()?)?;
    stream.write_all(probe.request().as_bytes())?;
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
        set_timeout(&stream, left()?)?;
        match stream.read(&mut part)? {
            0 => return Err(io::Error::other("it closed the connection")),
            count => received.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
}

/// The longest that a service is waited for: below the patience of who asks for it.
const PATIENCE: Duration = Duration::from_secs(10);
