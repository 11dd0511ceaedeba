//! Clients of a daemon before this one, and the check that they are clients.

use std::{io, os::fd::OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::protocol::{CLIENTS, YOURS};
use crate::process::{fd_passing::receive_at_once, received::ReceivedSocket};

/// Clients of a daemon before this one.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) connections: Vec<OwnedFd>,
    /// The number of other descriptors that came with them.
    pub(crate) others: usize,
}

/// The next clients; `None` when no more will come.
pub(crate) fn clients_from(connection: &ReceivedSocket) -> Option<Clients> {
    match receive_at_once(connection.get().ok()?) {
        Ok((text, sent)) if text == CLIENTS && !sent.is_empty() => {
            let mut clients = Clients::default();
            for sent in sent {
                match is_of_client(&sent) {
                    Err(_) | Ok(false) => clients.others += 1,
                    // A client that is gone has no address.
                    Ok(true) => clients.connections.extend(connected(sent)),
                }
            }
            Some(clients)
        }
        // A late answer, after this process had taken its place anyway.
        Ok((text, _)) if text == YOURS => Some(Clients::default()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Clients::default()),
        _ => None,
    }
}

/// Whether a daemon's listening socket may have accepted it.
fn is_of_client(sent: &ReceivedSocket) -> io::Result<bool> {
    let socket = sent.get()?;
    let (domain, protocol) = (socket.domain()?, socket.protocol()?);
    let is_tcp = protocol == Some(Protocol::TCP) || protocol == Some(Protocol::MPTCP);
    let is_kind = domain == Domain::UNIX || is_tcp;
    Ok(is_kind && socket.r#type()? == Type::STREAM && !socket.is_listener()?)
}

fn connected(sent: ReceivedSocket) -> Option<OwnedFd> {
    sent.get().and_then(Socket::peer_addr).ok()?;
    sent.keep().ok().map(OwnedFd::from)
}
