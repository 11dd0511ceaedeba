//! Clients that a daemon before this one passes on, and whether they are any.

use std::{io, os::fd::OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::protocol::{CLIENTS, YOURS};
use crate::daemon::{process::apart::Apart, restart::fd_passing::receive_at_once};

/// Clients that a daemon before this one passes on.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) connections: Vec<OwnedFd>,
    /// How many came beside them that are no connections of clients.
    pub(crate) others: usize,
}

/// Clients from a daemon before this one; `None` when there will be no more.
pub(crate) fn clients_from(connection: &Apart) -> Option<Clients> {
    match receive_at_once(connection.get().ok()?) {
        Ok((text, sent)) if text == CLIENTS && !sent.is_empty() => {
            let mut clients = Clients::default();
            for sent in sent {
                match is_of_client(&sent) {
                    Err(_) | Ok(false) => clients.others += 1,
                    // Who has gone has no address any more.
                    Ok(true) => clients.connections.extend(connected(sent)),
                }
            }
            Some(clients)
        }
        // It answered late, after its successor had taken its place all the same.
        Ok((text, _)) if text == YOURS => Some(Clients::default()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Clients::default()),
        _ => None,
    }
}

/// Whether it may come from a listening socket of a daemon's.
fn is_of_client(sent: &Apart) -> io::Result<bool> {
    let socket = sent.get()?;
    let (domain, protocol) = (socket.domain()?, socket.protocol()?);
    let is_tcp = protocol == Some(Protocol::TCP) || protocol == Some(Protocol::MPTCP);
    let is_kind = domain == Domain::UNIX || is_tcp;
    Ok(is_kind && socket.r#type()? == Type::STREAM && !socket.is_listener()?)
}

fn connected(sent: Apart) -> Option<OwnedFd> {
    sent.get().and_then(Socket::peer_addr).ok()?;
    sent.keep().ok().map(OwnedFd::from)
}
