//! `--handover`: a daemon that starts takes the listening sockets of the one before it, and when it is
//! ready gets the connections of its clients too. So nobody is refused, closed or kept waiting.
//!
//! The talk goes over a UNIX socket that keeps messages apart.
//!
//! ```text
//! successor                                   predecessor
//!     | sockets                                    |
//!     |------------------------------------------->|
//!     |        listen ENDPOINT  (one descriptor)   |
//!     |        keep ENDPOINT    (a manager's)      |
//!     |        earlier          (one descriptor)   |
//!     |        all                                 |
//!     |<-------------------------------------------|
//!     | hold                                       |
//!     |------------------------------------------->|  it waits, however long that takes,
//!     |        held                                |  or has said `late` before
//!     |<-------------------------------------------|
//!     | ready                                      |
//!     |------------------------------------------->|
//!     |        yours                               |
//!     |<-------------------------------------------|
//!     |        clients (up to 128 descriptors)     |
//!     |<-------------------------------------------|  the end, when there are no more
//! ```
//!
//! Between `held` and `ready` the successor changes modes and owners, and gives up its rights: what is then still to
//! be undone, it can undo.
//!
//! `earlier` is such a connection to a daemon before the predecessor, which has requests under way: its clients
//! come over that one.
//!
//! Who connects is known by the system's word for it (SO_PEERCRED): that is the user when it connected. So
//! the successor of a daemon that root started is root's, whatever user runs either later. The successor
//! in turn believes nothing: what it is handed is counted, and each socket has to be what it is said to be.

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

use crate::daemon::{
    listen::{address::Listen, bind::is_asked},
    process::{apart::Apart, owner::is_made_by},
    restart::{
        fd_passing::{receive, send},
        handed::Handed,
    },
};

/// The daemon before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    connection: Apart,
    left: Vec<Handed>,
    /// Connections to daemons before it.
    earlier: Vec<Apart>,
}

impl Predecessor {
    /// Asks whoever listens there for its sockets; `None` if nobody does. Whatever it is that listens,
    /// this takes no longer than [`PATIENCE`], and what this process is stopped for meanwhile.
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
        let connection = Apart::from(connection);
        check_peer(connection.get()?, trusted)?;
        send(connection.get()?, SOCKETS, &[])?;
        let deadline = Instant::now() + PATIENCE;
        let mut found = Self {
            connection,
            left: Vec::new(),
            earlier: Vec::new(),
        };
        for _ in 0..MOST_HANDED {
            let rest = deadline.saturating_duration_since(Instant::now());
            let rest = rest.max(Duration::from_millis(1));
            found.connection.get()?.set_read_timeout(Some(rest))?;
            let (text, descriptors) = receive(found.connection.get()?)?;
            if text == ALL {
                return Ok(Some(found));
            }
            if text == EARLIER {
                let one = <[Apart; 1]>::try_from(descriptors);
                found
                    .earlier
                    .extend(one.map_err(|_| io::ErrorKind::InvalidData)?);
                continue;
            }
            let handed = Handed::announced(&text, descriptors);
            found.left.push(handed.ok_or(io::ErrorKind::InvalidData)?);
        }
        Err(io::Error::other("it hands over more than a daemon has"))
    }

    /// Whether each of its sockets that is wanted is what it is said to be, and was made by one of the trusted users.
    /// `wanted` are the names, with what they ask for and the type of socket.
    pub(crate) fn check(
        &self,
        wanted: &[(String, &Listen, Type)],
        trusted: &[u32],
    ) -> io::Result<()> {
        for handed in &self.left {
            let mut meant = wanted.iter().filter(|(name, ..)| *name == handed.name);
            if !meant.all(|(_, listen, kind)| handed.is_what(listen, *kind, trusted)) {
                let text = format!("its socket for {} is another one", handed.name);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        let is_connection = |earlier: &Apart| {
            let Ok(socket) = earlier.get() else {
                return false;
            };
            let is_kind = |kind| kind == Type::SEQPACKET;
            // Each daemon has made its own before it gave up its rights.
            is_made_by(socket, trusted)
                && socket.domain().is_ok_and(|domain| domain == Domain::UNIX)
                && socket.r#type().is_ok_and(is_kind)
                && !socket.is_listener().unwrap_or(true)
        };
        match self.earlier.len() <= MOST_EARLIER && self.earlier.iter().all(is_connection) {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The socket that it listens with at the next endpoint of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Handed> {
        let index = self.left.iter().position(|handed| handed.name == name)?;
        Some(self.left.remove(index))
    }

    /// The same at this address, which may be any port's.
    pub(crate) fn take_at(&mut self, name: &str, address: SocketAddr) -> Option<Handed> {
        let is_meant = |handed: &Handed| {
            let socket = handed.socket.get();
            let found = socket.and_then(Socket::local_addr);
            let found = found.ok().and_then(|at| at.as_socket());
            handed.name == name && found.is_some_and(|found| is_asked(address, found))
        };
        let index = self.left.iter().position(is_meant)?;
        Some(self.left.remove(index))
    }

    /// Has it wait, since this process is about to take its place.
    ///
    /// # Errors
    ///
    /// It has given up waiting, and goes on by itself.
    pub(crate) fn hold(&self) -> io::Result<()> {
        match self.ask(HOLD) {
            Ok(text) if text == LATE => Err(late()),
            // Where it does not answer it has gone.
            _ => Ok(()),
        }
    }

    /// Takes its place. The clients of it, and of those before it, come over these connections.
    pub(crate) fn release(self) -> Vec<Apart> {
        _ = self.ask(READY);
        let Self {
            connection,
            mut earlier,
            ..
        } = self;
        earlier.push(connection);
        earlier
    }

    /// Its answer, for which it has [`PATIENCE`].
    fn ask(&self, text: &[u8]) -> io::Result<Vec<u8>> {
        let connection = self.connection.get()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        // Who does not hear it has gone: as long as it lives, and this process, it waits, or says that it does not.
        send(connection, text, &[])?;
        Ok(receive(connection)?.0)
    }
}

/// A process that is about to take this one's place.
#[derive(Debug)]
pub(crate) struct Successor {
    connection: Apart,
    pub(crate) process: i32,
    /// How long it is waited for; no longer limited once it is about to take over.
    pub(crate) until: Option<Instant>,
}

impl Successor {
    /// The next one who calls, if somebody does; an error of one call is no error of the socket's.
    pub(crate) fn next(listener: &Socket, trusted: &[u32]) -> io::Result<io::Result<Self>> {
        // The daemon before may have taken it.
        listener.set_nonblocking(true)?;
        let (connection, _) = listener.accept()?;
        Ok(Self::hear(connection.into(), trusted))
    }

    fn hear(connection: Apart, trusted: &[u32]) -> io::Result<Self> {
        let socket = connection.get()?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let process = check_peer(socket, trusted)?;
        match receive(socket)?.0 == SOCKETS {
            true => Ok(Self {
                connection,
                process,
                until: Some(Instant::now() + READY_WITHIN),
            }),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Gives it these sockets, and connections to the daemons before this one.
    pub(crate) fn hand_over(&self, all: &[Handed], earlier: &[Apart]) -> io::Result<()> {
        for handed in all {
            let socket = [handed.socket.get()?.as_fd()];
            self.say(handed.announcement().as_bytes(), &socket)?;
        }
        for connection in earlier {
            self.say(EARLIER, &[connection.get()?.as_fd()])?;
        }
        self.say(ALL, &[])
    }

    /// What it has to say: whether it is ready. An error if it ends instead. Once it is, it takes clients.
    pub(crate) fn is_ready(&mut self) -> io::Result<bool> {
        let text = receive(self.connection.get()?)?.0;
        if text == HOLD {
            self.until = None;
            self.say(HELD, &[])?;
            return Ok(false);
        }
        if text != READY {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.say(YOURS, &[])?;
        Ok(true)
    }

    /// Tells it that it has taken too long.
    pub(crate) fn give_up(self) -> io::Error {
        // If it does not hear it, it has gone.
        _ = self.say(LATE, &[]);
        let text = format!("it was not ready within {}s", READY_WITHIN.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// Sends connections of clients to it.
    pub(crate) fn deliver(&self, connections: &[OwnedFd]) -> io::Result<()> {
        let connections: Vec<BorrowedFd<'_>> = connections.iter().map(AsFd::as_fd).collect();
        self.say(CLIENTS, &connections)
    }

    /// Over which it speaks.
    pub(crate) fn connection(&self) -> io::Result<BorrowedFd<'_>> {
        self.connection.get().map(AsFd::as_fd)
    }

    fn say(&self, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.connection.get()?, text, descriptors)
    }
}

fn connect(path: &Path) -> io::Result<Socket> {
    let connection = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    // It bounds the wait for room in a queue as well.
    connection.set_write_timeout(Some(PATIENCE))?;
    let address = SocketAddrUnix::new(path)?;
    retry_on_intr(|| rustix::net::connect(&connection, &address))?;
    Ok(connection)
}

/// Its process, if it was one of these users' when it connected, or began to listen.
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

/// What the socket for calls is called among those that are handed over.
pub(crate) const HANDOVER: &str = "handover";
const SOCKETS: &[u8] = b"sockets";
const EARLIER: &[u8] = b"earlier";
const ALL: &[u8] = b"all";
const HOLD: &[u8] = b"hold";
const HELD: &[u8] = b"held";
const READY: &[u8] = b"ready";
const LATE: &[u8] = b"late";
pub(super) const YOURS: &[u8] = b"yours";
pub(super) const CLIENTS: &[u8] = b"clients";
/// For each answer: thousands of times what it takes.
const PATIENCE: Duration = Duration::from_secs(3);
/// For a successor to get ready: a start takes milliseconds, and some seconds where names are looked up.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Endpoints of a daemon, and daemons before it: many more than any has.
const MOST_HANDED: usize = 512;
/// Daemons before this one that still have requests under way.
pub(crate) const MOST_EARLIER: usize = 16;
