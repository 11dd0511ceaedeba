//! The messages of a handover, as the successor sends them and as the predecessor does.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::{io::retry_on_intr, net::SocketAddrUnix};
use socket2::{Domain, Socket, Type};

use crate::{
    listen::{address::ListenAddr, handover_socket::HandoverSocket, is_requested},
    process::{
        fd_passing::{receive, send},
        owner::is_made_by,
        received::ReceivedSocket,
    },
};

/// The daemon before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    connection: ReceivedSocket,
    /// Its sockets that have not been taken.
    sockets: Vec<HandoverSocket>,
    /// Connections to daemons before it.
    earlier: Vec<ReceivedSocket>,
}

impl Predecessor {
    /// Asks the process that listens there for its sockets; `None` if none does. Whatever process that is, this takes no
    /// longer than [`ANSWER_TIMEOUT`], plus the time for which this process is stopped meanwhile.
    pub(crate) fn find(path: &Path, trusted: &[u32]) -> io::Result<Option<Self>> {
        let connection = match connect(path) {
            Ok(connection) => connection,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let connection = ReceivedSocket::from(connection);
        check_peer(connection.get()?, trusted)?;
        send(connection.get()?, SOCKETS, &[])?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut found = Self {
            connection,
            sockets: Vec::new(),
            earlier: Vec::new(),
        };
        for _ in 0..MAX_HANDED_OVER {
            let rest = deadline.saturating_duration_since(Instant::now());
            let rest = rest.max(Duration::from_millis(1));
            found.connection.get()?.set_read_timeout(Some(rest))?;
            let (text, descriptors) = receive(found.connection.get()?)?;
            if text == ALL {
                return Ok(Some(found));
            }
            if text == EARLIER {
                let one = <[ReceivedSocket; 1]>::try_from(descriptors);
                found
                    .earlier
                    .extend(one.map_err(|_| io::ErrorKind::InvalidData)?);
                continue;
            }
            let handed = HandoverSocket::announced(&text, descriptors);
            found
                .sockets
                .push(handed.ok_or(io::ErrorKind::InvalidData)?);
        }
        Err(io::Error::other("it hands over more than a daemon has"))
    }

    /// Checks that each wanted socket is the announced one, and that one of the trusted users has made it. `wanted` has
    /// the name, the address and the type of each.
    pub(crate) fn check(
        &self,
        wanted: &[(String, &ListenAddr, Type)],
        trusted: &[u32],
    ) -> io::Result<()> {
        for handed in &self.sockets {
            let mut meant = wanted.iter().filter(|(name, ..)| *name == handed.name);
            if !meant.all(|(_, address, kind)| handed.is_expected(address, *kind, trusted)) {
                let text = format!("its socket for {} is another one", handed.name);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        let is_connection = |earlier: &ReceivedSocket| {
            let Ok(socket) = earlier.get() else {
                return false;
            };
            let is_kind = |kind| kind == Type::SEQPACKET;
            // Each daemon has made its connection before it gave up its privileges.
            is_made_by(socket, trusted)
                && socket.domain().is_ok_and(|domain| domain == Domain::UNIX)
                && socket.r#type().is_ok_and(is_kind)
                && !socket.is_listener().unwrap_or(true)
        };
        if self.earlier.len() <= MAX_EARLIER && self.earlier.iter().all(is_connection) {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Its next socket of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<HandoverSocket> {
        let index = self.sockets.iter().position(|handed| handed.name == name)?;
        Some(self.sockets.remove(index))
    }

    /// Its socket of this name at this address, where port 0 means any.
    pub(crate) fn take_at(&mut self, name: &str, address: SocketAddr) -> Option<HandoverSocket> {
        let is_meant = |handed: &HandoverSocket| {
            let socket = handed.socket.get();
            let found = socket.and_then(Socket::local_addr);
            let found = found.ok().and_then(|at| at.as_socket());
            handed.name == name && found.is_some_and(|found| is_requested(address, found))
        };
        let index = self.sockets.iter().position(is_meant)?;
        Some(self.sockets.remove(index))
    }

    /// Has it wait: this process is about to take its place.
    ///
    /// # Errors
    ///
    /// It has given up waiting, and serves on.
    pub(crate) fn hold(&self) -> io::Result<()> {
        match self.ask(HOLD) {
            Ok(text) if text == LATE => Err(late()),
            // Without an answer it has gone.
            _ => Ok(()),
        }
    }

    /// Takes its place. Its clients, and those of the daemons before it, come over these connections.
    pub(crate) fn release(self) -> Vec<ReceivedSocket> {
        _ = self.ask(READY);
        let Self {
            connection,
            mut earlier,
            ..
        } = self;
        earlier.push(connection);
        earlier
    }

    /// Its answer, within [`ANSWER_TIMEOUT`].
    fn ask(&self, text: &[u8]) -> io::Result<Vec<u8>> {
        let connection = self.connection.get()?;
        connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        // A failure means that it has gone: a living predecessor waits, or has said that it does not.
        send(connection, text, &[])?;
        Ok(receive(connection)?.0)
    }
}

/// A request for a handover: a process that is starting, or an error of that connection alone.
#[derive(Debug)]
pub(crate) struct HandoverRequest(pub(crate) io::Result<Successor>);

/// A process that is about to take this one's place.
#[derive(Debug)]
pub(crate) struct Successor {
    connection: ReceivedSocket,
    pub(crate) process: i32,
    /// The end of the wait for it; `None` once it is about to take over.
    pub(crate) until: Option<Instant>,
}

impl Successor {
    /// The next request for a handover.
    ///
    /// # Errors
    ///
    /// Errors of the listening socket.
    pub(crate) fn accept(listener: &Socket, trusted: &[u32]) -> io::Result<HandoverRequest> {
        // Another daemon that has the socket may have changed this.
        listener.set_nonblocking(true)?;
        let (connection, _) = listener.accept()?;
        Ok(HandoverRequest(Self::read(connection.into(), trusted)))
    }

    fn read(connection: ReceivedSocket, trusted: &[u32]) -> io::Result<Self> {
        let socket = connection.get()?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let process = check_peer(socket, trusted)?;
        if receive(socket)?.0 == SOCKETS {
            Ok(Self {
                connection,
                process,
                until: Some(Instant::now() + READY_WITHIN),
            })
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Sends it these sockets, and connections to the daemons before this one.
    pub(crate) fn hand_over(
        &self,
        all: &[HandoverSocket],
        earlier: &[ReceivedSocket],
    ) -> io::Result<()> {
        for handed in all {
            let socket = [handed.socket.get()?.as_fd()];
            self.send(handed.announcement().as_bytes(), &socket)?;
        }
        for connection in earlier {
            self.send(EARLIER, &[connection.get()?.as_fd()])?;
        }
        self.send(ALL, &[])
    }

    /// Reads its next message, and answers it; returns whether it is ready, and takes clients. An error means that it has
    /// ended.
    pub(crate) fn is_ready(&mut self) -> io::Result<bool> {
        let text = receive(self.connection.get()?)?.0;
        if text == HOLD {
            self.until = None;
            self.send(HELD, &[])?;
            return Ok(false);
        }
        if text != READY {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.send(YOURS, &[])?;
        Ok(true)
    }

    /// Tells it that it has taken too long.
    pub(crate) fn give_up(self) -> io::Error {
        // A failure means that it has gone.
        _ = self.send(LATE, &[]);
        let text = format!("it was not ready within {}s", READY_WITHIN.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// Sends connections of clients to it.
    pub(crate) fn deliver(&self, connections: &[OwnedFd]) -> io::Result<()> {
        let connections: Vec<BorrowedFd<'_>> = connections.iter().map(AsFd::as_fd).collect();
        self.send(CLIENTS, &connections)
    }

    /// The descriptor to wait for.
    pub(crate) fn connection(&self) -> io::Result<BorrowedFd<'_>> {
        self.connection.get().map(AsFd::as_fd)
    }

    fn send(&self, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.connection.get()?, text, descriptors)
    }
}

fn connect(path: &Path) -> io::Result<Socket> {
    let connection = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    // This bounds the wait for room in a queue as well.
    connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let address = SocketAddrUnix::new(path)?;
    retry_on_intr(|| rustix::net::connect(&connection, &address))?;
    Ok(connection)
}

/// The peer's process, if one of these users ran it when it connected, or began to listen.
fn check_peer(connection: &Socket, trusted: &[u32]) -> io::Result<i32> {
    let peer = getsockopt(connection, PeerCredentials)?;
    if trusted.contains(&peer.uid()) {
        return Ok(peer.pid());
    }
    let text = format!("process {} of user {} may not", peer.pid(), peer.uid());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn late() -> io::Error {
    let text = "the daemon before has not waited any longer, and goes on";
    io::Error::new(io::ErrorKind::TimedOut, text)
}

const SOCKETS: &[u8] = b"sockets";
const EARLIER: &[u8] = b"earlier";
const ALL: &[u8] = b"all";
const HOLD: &[u8] = b"hold";
const HELD: &[u8] = b"held";
const READY: &[u8] = b"ready";
const LATE: &[u8] = b"late";
pub(super) const YOURS: &[u8] = b"yours";
pub(super) const CLIENTS: &[u8] = b"clients";
/// For each answer: thousands of times as long as an answer takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// For a successor to get ready: a start takes milliseconds, or some seconds where names are looked up.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Sockets of a daemon, and daemons before it: many more than any has.
const MAX_HANDED_OVER: usize = 512;
/// Daemons before this one that have requests in progress.
pub(crate) const MAX_EARLIER: usize = 16;
