//! A name server that says nothing.

use std::{fs, net::UdpSocket, path::Path, process::Command};

use tempfile::TempDir;

use super::with_resolv_conf;
use crate::own_address;

/// A name server that takes questions and answers none, and a `resolv.conf` with which the system's resolver waits for it for half
/// a minute. Needs root.
#[derive(Debug)]
pub struct SilentNameServer {
    socket: UdpSocket,
    directory: TempDir,
}

impl SilentNameServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind((own_address(), 53)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let address = socket.local_addr().unwrap().ip();
        let text = format!("nameserver {address}\noptions timeout:30 attempts:1\n");
        fs::write(directory.path().join("resolv.conf"), text).unwrap();
        Self { socket, directory }
    }

    /// A command that starts a program which asks it.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let file = self.directory.path().join("resolv.conf");
        with_resolv_conf(&file, program.as_ref())
    }

    /// How many questions have come since this was called last: two for each look-up, one for each kind of address.
    pub fn questions(&self) -> usize {
        let mut packet = [0; 512];
        std::iter::from_fn(|| self.socket.recv(&mut packet).ok()).count()
    }
}
