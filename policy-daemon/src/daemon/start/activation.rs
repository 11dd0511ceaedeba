//! Sockets that a service manager passes to a process: sd_listen_fds(3).

use std::{
    env, io, mem,
    os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd},
    process,
};

use listenfd::ListenFd;
use policy_socket::Endpoint;
use rustix::fs::fstat;
use socket2::{Domain, Socket, Type};

use crate::{
    listen::socket::endpoint_of,
    process::{
        fd::close_inherited,
        owner::{is_made_by, trusted_uids},
        received,
        signals::HeldSignals,
        stdio::stdin_is_connection,
        systemd,
    },
};

/// Sockets that a service manager has passed to this process: sd_listen_fds(3).
#[derive(Debug, Default)]
pub struct Inherited {
    /// Listening sockets that root or the user of this process has made, and that do not come from the store.
    pub(crate) listening: Vec<Socket>,
    /// Connections of the previous process, which it left in the manager's store.
    pub(crate) connections: Vec<OwnedFd>,
    /// All other descriptors.
    pub(crate) rejected: Rejected,
    /// The sockets that `LISTEN_FDS` announced.
    expected: Option<Expected>,
    /// Until the daemon takes them.
    _signals: Option<HeldSignals>,
}

/// The process for which `LISTEN_FDS` announced sockets.
#[derive(Debug)]
enum Expected {
    /// This one.
    Own,
    /// Another one, such as a shell between the manager and this process.
    Other,
}

/// Descriptors that are not served: an attacker who controls a process can leave anything in the store, under any name.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    /// Their names in the store, each once.
    pub(crate) names: Vec<String>,
    pub(crate) count: usize,
    /// They are closed later, apart: until then no other part of the process has these numbers.
    numbers: Vec<RawFd>,
    has_connection: bool,
}

impl Rejected {
    fn add(&mut self, number: RawFd, name: &str) {
        self.count += 1;
        self.numbers.push(number);
        // The characters that systemd allows: the name goes into a message of lines.
        let is_name = name
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b':');
        if is_name && !name.is_empty() && !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// Takes the descriptors out, to be closed.
    pub(crate) fn take_numbers(&mut self) -> Vec<RawFd> {
        mem::take(&mut self.numbers)
    }
}

impl Inherited {
    /// Takes the sockets, and removes their variables from the environment. To be called once, before threads are started.
    ///
    /// From now on all signals, but for SIGTERM, SIGINT and SIGQUIT, wait until
    /// [`Daemon::prepare`](crate::Daemon::prepare) takes them, or until this value is dropped: a reload that comes while
    /// options are read must not end the daemon.
    ///
    /// # Errors
    ///
    /// A number of descriptors that no manager passes, or the system's.
    pub fn take() -> io::Result<Self> {
        let mut inherited = Self {
            _signals: Some(HeldSignals::hold()?),
            ..Self::default()
        };
        // Variables may be those of a parent.
        let is_own = env::var("LISTEN_PID") == Ok(process::id().to_string());
        inherited.expected = env::var_os("LISTEN_FDS").map(|_| {
            if is_own {
                Expected::Own
            } else {
                Expected::Other
            }
        });
        if !is_own {
            return Ok(inherited);
        }
        let number = env::var("LISTEN_FDS").ok();
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if number.is_some_and(|number| number > MAX_INHERITED) {
            let text = format!("more than {MAX_INHERITED} descriptors");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        for index in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            match stream_socket(&mut sockets, index) {
                Ok(Some(socket)) => inherited.add(socket, name),
                Ok(None) => {}
                Err(_) => {
                    if let Ok(Some(number)) = sockets.take_raw_fd(index) {
                        inherited.rejected.add(number, name);
                    }
                }
            }
        }
        Ok(inherited)
    }

    /// The name proves nothing: the process that stores a socket chooses it.
    fn add(&mut self, socket: Socket, name: &str) {
        let is_stored = name == systemd::STORED_NAME;
        let listens = socket.is_listener().unwrap_or(false);
        match listens {
            true if !is_stored && self.is_managers(&socket) => self.listening.push(socket),
            false if is_stored && socket.peer_addr().is_err() => {
                // Its client has gone.
                received::close([socket.into()]);
            }
            false if is_stored => {
                // Closing it must not take as long as the previous process wanted.
                _ = socket.set_linger(None);
                self.connections.push(socket.into());
            }
            _ => {
                self.rejected.has_connection |= !listens;
                self.rejected.add(socket.into_raw_fd(), name);
            }
        }
    }

    /// Whether a service manager has made it. A copy of a known socket was left in the store.
    fn is_managers(&self, socket: &Socket) -> bool {
        let inode = |socket: &Socket| fstat(socket).ok().map(|found| found.st_ino);
        let is_known = |known: &Socket| inode(known) == inode(socket);
        is_made_by(socket, &trusted_uids()) && !self.listening.iter().any(is_known)
    }

    /// Closes all other descriptors that this process was started with, except standard input, output and error.
    /// To be called before anything is opened.
    pub fn close_others(&self) {
        let listening = self.listening.iter().map(AsRawFd::as_raw_fd);
        let connections = self.connections.iter().map(AsRawFd::as_raw_fd);
        let rejected = self.rejected.numbers.iter().copied();
        let inherited: Vec<RawFd> = listening.chain(connections).chain(rejected).collect();
        close_inherited(&inherited);
    }

    /// A message about missing listeners, where a service manager has started a daemon without any: that daemon must not
    /// take `/dev/null` for its client, and end with status 0. A process whose standard input is a connection needs no
    /// listener.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if stdin_is_connection() {
            return None;
        }
        let what = match self.expected {
            _ if !self.connections.is_empty() || self.rejected.has_connection => {
                "LISTEN_FDS: a connection, and no socket that listens (Accept=yes in the socket unit?)"
            }
            Some(Expected::Own) => {
                "LISTEN_FDS: no stream socket that listens, made by root or by this user"
            }
            Some(Expected::Other) => {
                "LISTEN_FDS: the sockets are for another process (LISTEN_PID; a shell that has not exec'd?)"
            }
            None if systemd::has_manager() => {
                "NOTIFY_SOCKET: a service manager has started a daemon without a listener"
            }
            None => return None,
        };
        Some(format!(
            "{what}: give --listen ENDPOINT, or a socket unit with ListenStream= and Accept=no"
        ))
    }

    /// The addresses of the listening sockets.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn endpoints(&self) -> io::Result<Vec<Endpoint>> {
        self.listening.iter().map(endpoint_of).collect()
    }

    /// Whether there are listening sockets.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        !self.listening.is_empty()
    }
}

fn stream_socket(sockets: &mut ListenFd, index: usize) -> io::Result<Option<Socket>> {
    let mut take = |domain: Domain| {
        let hint = "stream socket";
        sockets.take_custom::<Socket>(index, domain.into(), Type::STREAM.into(), hint)
    };
    // The first call takes IPv6 as well.
    take(Domain::IPV4).or_else(|_: io::Error| take(Domain::UNIX))
}

/// Many times as many as a manager keeps for one service.
const MAX_INHERITED: usize = 1 << 20;
