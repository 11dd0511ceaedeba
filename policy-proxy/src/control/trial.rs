//! `try NAME`: whether a service that is down is back, asked now and not by the next request that is due for it.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_daemon::control::Done;
use policy_flow::Probe;
use policy_ha::{Mode, Outcome, Status};
use policy_proto::MessageDecoder;
use policy_socket::Endpoint;
use socket2::Socket;

use super::{Commands, NO_SERVICE};
use crate::blocking::{left, open};

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
        match socket.read(&mut part) {
            Ok(0) => return Err(io::Error::other("it closed the connection")),
            Ok(count) => received.extend_from_slice(part.get(..count).unwrap_or_default()),
            // Such as by a terminal that has stopped this process for a while.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The longest that a service is waited for: below the patience of who asks for it.
const PATIENCE: Duration = Duration::from_secs(10);
