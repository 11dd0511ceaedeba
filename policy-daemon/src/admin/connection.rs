//! One connection of the admin listener: a request, its answer, and the end.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use policy_socket::Peer;
use rustix::io::ioctl_fionbio;
use socket2::Socket;

use super::{
    http::{MAX_HEAD, PATIENCE, Progress, Response, TIMEOUT, read},
    pages::Pages,
};
use crate::side::Client;

/// Answers the request that comes over a connection, and closes it. It takes as long as the client does, up to a limit.
pub(super) fn serve(
    connection: OwnedFd,
    peer: Peer,
    client: &Client,
    pages: &Pages,
) -> io::Result<()> {
    ioctl_fionbio(&connection, false)?;
    let socket = Socket::from(connection);
    let (response, is_head) = match receive(&socket)? {
        Progress::Whole(request) => {
            let response = client.served(|| pages.answer(&request, peer));
            (response, request.is_head)
        }
        Progress::Wrong(response) => (response, false),
        // The client has closed the connection.
        Progress::Partial => return Ok(()),
    };
    send(&socket, &response.to_bytes(is_head))?;
    finish(&socket)
}

/// Reads until a request is whole.
fn receive(mut socket: &Socket) -> io::Result<Progress> {
    let end = Instant::now() + PATIENCE;
    let (mut received, mut part) = (Vec::new(), [0; 1024]);
    while received.len() < MAX_HEAD {
        let Some(left) = time_until(end) else {
            return Ok(Progress::Wrong(Response::text(TIMEOUT, TIMEOUT)));
        };
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut part) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
        match read(&received) {
            Progress::Partial => {}
            progress => return Ok(progress),
        }
    }
    Ok(Progress::Partial)
}

fn send(mut socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !bytes.is_empty() {
        let left = time_until(end).ok_or(io::ErrorKind::TimedOut)?;
        socket.set_write_timeout(Some(left))?;
        match socket.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the connection so that the answer arrives: bytes that were not read would have the system reset it.
fn finish(mut socket: &Socket) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    let end = Instant::now() + LINGER;
    let mut unread = [0; 1024];
    for _ in 0..MAX_UNREAD {
        let Some(left) = time_until(end) else {
            break;
        };
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut unread) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time until then, if it has not come. A socket takes no time-out of zero.
fn time_until(end: Instant) -> Option<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    (left >= Duration::from_millis(1)).then_some(left)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// How long a client may send on after its answer.
const LINGER: Duration = Duration::from_secs(1);
/// How much it may send then, in KiB.
const MAX_UNREAD: usize = 64;
