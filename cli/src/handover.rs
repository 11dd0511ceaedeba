//! `--handover`: a daemon that starts takes the listening sockets of the one before it, and when it is
//! ready gets the connections of its clients too. So nobody is refused, closed or kept waiting.
//!
//! The talk goes over a UNIX socket that keeps messages apart. The successor asks for `sockets`, and
//! gets a message `listen NUMBER ENDPOINT` for each, with its descriptors, and then `all`; or `keep NUMBER
//! ENDPOINT` for those that are a service manager's. When it serves, or is about to, it says `ready`. The predecessor stops accepting, and whenever a connection is between
//! two requests sends it with a message `clients` to whoever listens at that path by then.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::retry_on_intr,
    net::{SocketAddrUnix, sockopt::socket_peercred},
};
use socket2::{Domain, Socket, Type};

use crate::descriptor_mail::{MOST, receive, send};

/// The daemon before this one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    connection: Socket,
    /// By the number of each endpoint.
    left: BTreeMap<usize, Handed>,
}

/// The sockets of one endpoint, on their way from one daemon to the next.
#[derive(Debug)]
pub(crate) struct Handed {
    /// As it is written on both command lines; two may have the same.
    pub(crate) name: String,
    pub(crate) sockets: Vec<Socket>,
    /// Whether a service manager keeps them.
    pub(crate) is_kept: bool,
}

impl Handed {
    /// What is said with its descriptors.
    fn announcement(&self, number: usize) -> String {
        let word = if self.is_kept { KEEP } else { LISTEN };
        format!("{word} {number} {}", self.name)
    }

    /// What was announced, and under which number; its sockets are not in it yet.
    fn announced(text: &[u8]) -> Option<(usize, Self)> {
        let mut words = std::str::from_utf8(text).ok()?.splitn(3, ' ');
        let word = words.next().filter(|word| [LISTEN, KEEP].contains(word))?;
        let number = words.next()?.parse().ok()?;
        let handed = Self {
            name: words.next()?.to_owned(),
            sockets: Vec::new(),
            is_kept: word == KEEP,
        };
        Some((number, handed))
    }
}

impl Predecessor {
    /// Asks whoever listens there for its sockets; `None` if nobody does. Whatever it is that listens,
    /// this takes no longer than [`PATIENCE`], and what this process is stopped for meanwhile.
    pub(crate) fn find(path: &Path, friends: &[u32]) -> io::Result<Option<Self>> {
        let connection = match connect(path) {
            Ok(connection) => connection,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(error),
                };
            }
        };
        check_friend(&connection, friends)?;
        send(&connection, SOCKETS, &[])?;
        let deadline = Instant::now() + PATIENCE;
        let mut left: BTreeMap<_, Handed> = BTreeMap::new();
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            connection.set_read_timeout(Some(rest.max(Duration::from_millis(1))))?;
            let (text, descriptors) = receive(&connection)?;
            if text == ALL {
                return Ok(Some(Self { connection, left }));
            }
            let (number, handed) = Handed::announced(&text).ok_or(io::ErrorKind::InvalidData)?;
            let sockets = descriptors.into_iter().map(Socket::from);
            left.entry(number).or_insert(handed).sockets.extend(sockets);
        }
    }

    /// The sockets that it listens with at the next endpoint of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Handed> {
        let mut left = self.left.iter();
        let number = *left.find(|(_, handed)| handed.name == name)?.0;
        self.left.remove(&number)
    }

    /// Lets it go.
    pub(crate) fn relieve(self) {
        // Who does not hear it has gone: as long as it lives, and this process, it waits.
        _ = send(&self.connection, READY, &[]);
    }
}

/// What another process wants of this one.
#[derive(Debug)]
pub(crate) enum Call {
    /// To be its successor.
    Sockets(Successor),
    /// That these connections are served on.
    Clients(Vec<OwnedFd>),
}

#[derive(Debug)]
pub(crate) struct Successor {
    connection: Socket,
    process: u32,
}

impl Call {
    /// Waits until somebody calls, or until this successor has something to say: whether the latter.
    pub(crate) fn wait(listener: &Socket, starting: Option<&Successor>) -> io::Result<bool> {
        let mut watched = vec![PollFd::new(listener, PollFlags::IN)];
        watched.extend(starting.map(|successor| PollFd::new(&successor.connection, PollFlags::IN)));
        retry_on_intr(|| poll(&mut watched, None))?;
        Ok(watched
            .get(1)
            .is_some_and(|successor| !successor.revents().is_empty()))
    }

    /// The next one who calls, if somebody does; an error of one call is no error of the socket's.
    pub(crate) fn next(listener: &Socket, friends: &[u32]) -> io::Result<io::Result<Self>> {
        // The daemon before may have taken it.
        listener.set_nonblocking(true)?;
        let (connection, _) = listener.accept()?;
        Ok(Self::hear(connection, friends))
    }

    fn hear(connection: Socket, friends: &[u32]) -> io::Result<Self> {
        connection.set_nonblocking(false)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let process = check_friend(&connection, friends)?;
        match receive(&connection)? {
            (text, _) if text == SOCKETS => Ok(Self::Sockets(Successor {
                connection,
                process,
            })),
            (text, descriptors) if text == CLIENTS => Ok(Self::Clients(descriptors)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Successor {
    /// Gives it these sockets.
    pub(crate) fn hand_over(&self, all: &[Handed]) -> io::Result<()> {
        for (number, handed) in all.iter().enumerate() {
            let text = handed.announcement(number);
            for some in handed.sockets.chunks(MOST) {
                let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
                send(&self.connection, text.as_bytes(), &some)?;
            }
        }
        send(&self.connection, ALL, &[])
    }

    /// Its process, when it says that it is ready; an error if it ends instead.
    pub(crate) fn hear(self) -> io::Result<u32> {
        match receive(&self.connection)?.0 == READY {
            true => Ok(self.process),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Sends connections to whoever listens there by now.
pub(crate) fn deliver(path: &Path, friends: &[u32], connections: &[OwnedFd]) -> io::Result<()> {
    let connection = connect(path)?;
    check_friend(&connection, friends)?;
    let connections: Vec<BorrowedFd<'_>> = connections.iter().map(AsFd::as_fd).collect();
    send(&connection, CLIENTS, &connections)
}

fn connect(path: &Path) -> io::Result<Socket> {
    let connection = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    // It bounds the wait for room in a queue as well.
    connection.set_write_timeout(Some(PATIENCE))?;
    let address = SocketAddrUnix::new(path)?;
    retry_on_intr(|| rustix::net::connect(&connection, &address))?;
    Ok(connection)
}

/// Its process, if it runs as one of these users: who else could open the socket gets nothing.
fn check_friend(connection: &Socket, friends: &[u32]) -> io::Result<u32> {
    let peer = socket_peercred(connection)?;
    match friends.contains(&peer.uid.as_raw()) {
        true => Ok(peer.pid.as_raw_nonzero().get().unsigned_abs()),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// What the socket for calls is called among those that are handed over.
pub(crate) const HANDOVER: &str = "handover";
const LISTEN: &str = "listen";
const KEEP: &str = "keep";
const SOCKETS: &[u8] = b"sockets";
const ALL: &[u8] = b"all";
const READY: &[u8] = b"ready";
const CLIENTS: &[u8] = b"clients";
/// For each answer: thousands of times what it takes.
const PATIENCE: Duration = Duration::from_secs(3);
