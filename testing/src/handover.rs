//! The messages of two daemons at a handover, sent by a test.
pub use policy_daemon::fd_passing::{receive, send};

use std::{
    fs,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    thread::{self, JoinHandle},
};

use rustix::{
    io::retry_on_intr,
    net::{SocketFlags, accept_with},
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::process::PATIENCE;

pub fn seqpacket() -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Calls a daemon as its successor would, and says this.
pub fn call(path: &Path, text: &[u8]) -> Socket {
    let connection = seqpacket();
    connection.connect(&SockAddr::unix(path).unwrap()).unwrap();
    send(&connection, text, &[]).unwrap();
    connection
}

/// Calls a daemon, and takes what it hands over.
pub fn take_sockets(path: &Path) -> (Socket, Vec<(Vec<u8>, Socket)>) {
    let connection = call(path, b"sockets");
    let mut taken = Vec::new();
    loop {
        let (text, descriptors) = receive(&connection).unwrap();
        if text == b"all" {
            return (connection, taken);
        }
        let socket = descriptors.into_iter().next().unwrap();
        taken.push((text, socket.keep().unwrap()));
    }
}

/// The next call. A wait that has a limit is interrupted where the test is stopped and goes on (signal(7)).
pub fn accept(calls: &Socket) -> Socket {
    let accepted = retry_on_intr(|| accept_with(calls, SocketFlags::CLOEXEC));
    accepted.unwrap().into()
}

/// The daemon before the next one that starts with this path, as far as that can tell.
#[derive(Debug)]
pub struct Predecessor {
    pub calls: Socket,
}

impl Predecessor {
    pub fn at(path: &Path) -> Self {
        _ = fs::remove_file(path);
        let calls = seqpacket();
        calls.bind(&SockAddr::unix(path).unwrap()).unwrap();
        calls.listen(1).unwrap();
        Self { calls }
    }

    /// Hands over these sockets to the next process that calls. The connection is returned when it has said that
    /// it is ready, or its error instead.
    pub fn hand_over(self, sockets: Vec<(Vec<u8>, Socket)>) -> JoinHandle<Option<Socket>> {
        thread::spawn(move || {
            let connection = accept(&self.calls);
            connection.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(receive(&connection).unwrap().0, b"sockets");
            for (text, socket) in &sockets {
                let socket: [BorrowedFd<'_>; 1] = [socket.as_fd()];
                // Whom this is too much for has gone.
                if send(&connection, text, &socket).is_err() {
                    return None;
                }
            }
            _ = send(&connection, b"all", &[]);
            let says = |text: &[u8]| receive(&connection).is_ok_and(|(said, _)| said == text);
            if !says(b"hold") {
                return None;
            }
            send(&connection, b"held", &[]).unwrap();
            let is_ready = says(b"ready");
            is_ready.then(|| {
                send(&connection, b"yours", &[]).unwrap();
                connection
            })
        })
    }
}
