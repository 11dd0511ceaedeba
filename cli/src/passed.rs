//! What a service manager passes to a process: sd_listen_fds(3).

use std::{
    env, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process,
};

use listenfd::ListenFd;
use socket2::{Domain, Socket, Type};

use crate::descriptors::close_inherited;

/// What a service manager passed to this process: sd_listen_fds(3).
#[derive(Debug, Default)]
pub struct Passed {
    /// Sockets that listen.
    pub(crate) listening: Vec<Socket>,
    /// Connections of the process before this one, which it left in the manager's store.
    pub(crate) connections: Vec<OwnedFd>,
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
        if env::var("LISTEN_PID") != Ok(process::id().to_string()) {
            return Ok(passed);
        }
        let mut sockets = ListenFd::from_env();
        for index in 0..sockets.len() {
            let mut take = |domain: Domain| {
                let hint = "stream socket";
                sockets.take_custom::<Socket>(index, domain.into(), Type::STREAM.into(), hint)
            };
            // IPv6 is taken for the first.
            let socket = take(Domain::IPV4).or_else(|_: io::Error| take(Domain::UNIX))?;
            let Some(socket) = socket else { continue };
            match socket.is_listener()? {
                true => passed.listening.push(socket),
                false => passed.connections.push(socket.into()),
            }
        }
        Ok(passed)
    }

    /// Closes all other descriptors that this process was started with, but for standard input, output and error.
    /// To be called before anything is opened.
    pub fn close_others(&self) {
        let listening = self.listening.iter().map(AsFd::as_fd);
        let connections = self.connections.iter().map(AsFd::as_fd);
        let passed: Vec<BorrowedFd<'_>> = listening.chain(connections).collect();
        close_inherited(&passed);
    }

    /// Whether this process is to serve them.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        !self.listening.is_empty()
    }
}
