//! What a service manager passes to a process: sd_listen_fds(3).

use std::{
    env, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process,
};

use listenfd::ListenFd;
use socket2::{Domain, Socket, Type};

use crate::{descriptors::close_inherited, notify, stdio::stdin_is_connection};

/// What a service manager passed to this process: sd_listen_fds(3).
#[derive(Debug, Default)]
pub struct Passed {
    /// Sockets that listen.
    pub(crate) listening: Vec<Socket>,
    /// Connections of the process before this one, which it left in the manager's store.
    pub(crate) connections: Vec<OwnedFd>,
    /// How much else was in the store: who has taken over a process can leave anything there.
    pub(crate) rejected: usize,
    /// Whether there was to be a socket: the variable is taken out of the environment.
    expected: Option<Expected>,
}

/// What `LISTEN_FDS` came with.
#[derive(Debug)]
enum Expected {
    /// This process is meant.
    Own,
    /// Another one is, as where a shell stands in between.
    Other,
}

impl Passed {
    /// Takes them out of the environment. To be called once, before threads are started.
    ///
    /// # Errors
    ///
    /// A descriptor that is no stream socket.
    pub fn take() -> io::Result<Self> {
        let mut passed = Self::default();
        // Those of a parent are none of ours.
        let is_own = env::var("LISTEN_PID") == Ok(process::id().to_string());
        passed.expected = env::var_os("LISTEN_FDS").map(|_| match is_own {
            true => Expected::Own,
            false => Expected::Other,
        });
        if !is_own {
            return Ok(passed);
        }
        let number = env::var("LISTEN_FDS").ok();
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if number.is_some_and(|number| number > MAX_PASSED) {
            let text = format!("more than {MAX_PASSED} descriptors");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        for index in 0..sockets.len() {
            let is_stored = names.next() == Some(notify::STORED_NAME);
            match stream_socket(&mut sockets, index) {
                Ok(Some(socket)) => passed.add(socket, is_stored)?,
                Ok(None) => {}
                // What else is open is closed.
                Err(_) if is_stored => passed.rejected += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(passed)
    }

    fn add(&mut self, socket: Socket, is_stored: bool) -> io::Result<()> {
        match (socket.is_listener()?, is_stored) {
            (true, false) => self.listening.push(socket),
            (true, true) => self.rejected += 1,
            (false, _) => {
                // To close it must not take as long as who opened it wanted.
                socket.set_linger(None)?;
                self.connections.push(socket.into());
            }
        }
        Ok(())
    }

    /// Closes all other descriptors that this process was started with, but for standard input, output and error.
    /// To be called before anything is opened.
    pub fn close_others(&self) {
        let listening = self.listening.iter().map(AsFd::as_fd);
        let connections = self.connections.iter().map(AsFd::as_fd);
        let passed: Vec<BorrowedFd<'_>> = listening.chain(connections).collect();
        close_inherited(&passed);
    }

    /// What a service manager should have given, if there is one and no listener: it has started a daemon,
    /// which must not become the drop-in, read `/dev/null`, and end with status 0. Where standard input is
    /// a connection, this is a drop-in all the same.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if stdin_is_connection() {
            return None;
        }
        let what = match self.expected {
            _ if !self.connections.is_empty() => {
                "LISTEN_FDS: a connection, and no socket that listens (Accept=yes in the socket unit?)"
            }
            Some(Expected::Own) => "LISTEN_FDS: no socket that listens",
            Some(Expected::Other) => {
                "LISTEN_FDS: the sockets are for another process (LISTEN_PID; a shell that has not exec'd?)"
            }
            None if notify::has_manager() => {
                "NOTIFY_SOCKET: a service manager has started a daemon without a listener"
            }
            None => return None,
        };
        Some(format!(
            "{what}: give --listen ENDPOINT, or a socket unit with ListenStream= and Accept=no"
        ))
    }

    /// Whether this process is to serve them.
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
    // IPv6 is taken for the first.
    take(Domain::IPV4).or_else(|_: io::Error| take(Domain::UNIX))
}

/// Many times what a manager keeps for one service.
const MAX_PASSED: usize = 1 << 20;
