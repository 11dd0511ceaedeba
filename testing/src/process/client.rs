//! A client of a policy server, as Postfix is one, that does what a test tells it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// A client as Postfix is one: one connection, one request after the other.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to `inet:host:port` or `unix:/path`.
    pub fn connect(endpoint: &str) -> Self {
        Self::try_connect(endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"))
    }

    pub fn try_connect(endpoint: &str) -> io::Result<Self> {
        let socket: Socket = match endpoint.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(path)?.into(),
            None => TcpStream::connect(endpoint.trim_start_matches("inet:"))?.into(),
        };
        Ok(Self::of(socket))
    }

    /// Connects to a TCP endpoint from this address of the machine's.
    pub fn connect_from(source: IpAddr, endpoint: &str) -> Self {
        let socket = Socket::new(Domain::for_address((source, 0).into()), Type::STREAM, None);
        let socket = socket.expect("a socket");
        let bound = socket.bind(&SocketAddr::from((source, 0)).into());
        bound.unwrap_or_else(|error| panic!("{source}: {error}"));
        let address = endpoint.trim_start_matches("inet:");
        let address: SocketAddr = address.parse().expect("an address");
        let connected = socket.connect(&address.into());
        connected.unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        Self::of(socket)
    }

    pub fn of(socket: impl Into<Socket>) -> Self {
        let socket = socket.into();
        let bounded = socket.set_read_timeout(Some(PATIENCE));
        bounded.expect("a socket takes a time-out");
        Self {
            socket,
            buffer: Vec::new(),
        }
    }

    pub fn send(&self, bytes: &[u8]) {
        (&self.socket).write_all(bytes).expect("it is open");
    }

    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.socket).write_all(bytes)
    }

    /// Whether bytes, or the end, have come.
    pub fn is_readable(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(&self.socket, &mut [0; 1], flags) != Err(Errno::AGAIN)
    }

    /// Sends what may be more than the other side wants to read.
    pub fn try_send(&self, bytes: &[u8]) {
        _ = (&self.socket).write_all(bytes);
    }

    /// Sends for a moment; whether the other side has cut the connection.
    pub fn is_cut_off(&self, bytes: &[u8]) -> bool {
        let bounded = self
            .socket
            .set_write_timeout(Some(Duration::from_millis(50)));
        bounded.expect("a socket takes a time-out");
        let sent = (&self.socket).write_all(bytes);
        sent.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
    }

    /// Another handle of the same connection.
    pub fn another(&self) -> Self {
        Self::of(self.socket.try_clone().expect("a descriptor"))
    }

    /// The bytes up to a blank line; `None` when the connection ends instead.
    pub fn reply(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let rest = self.buffer.split_off(end + 2);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let mut bytes = [0; 4096];
            match self.read(&mut bytes) {
                Ok(0) => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                read => self
                    .buffer
                    .extend_from_slice(&bytes[..read.expect("a reply in time")]),
            }
        }
    }

    /// One read, which is one write of the other side unless two came close together.
    pub fn read_once(&self) -> Vec<u8> {
        let mut bytes = vec![0; 65536];
        let count = self.read(&mut bytes).expect("something comes");
        bytes.truncate(count);
        bytes
    }

    /// A wait that has a limit is interrupted where the test is stopped and goes on (signal(7)).
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.socket).read(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// The next reply's action.
    pub fn action(&mut self) -> String {
        let reply = self.reply().expect("a reply, not the end");
        let reply = String::from_utf8(reply).expect("text");
        let action = reply
            .strip_prefix("action=")
            .and_then(|reply| reply.strip_suffix("\n\n"));
        action.unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    /// Sends a request and reads its action.
    pub fn ask(&mut self, request: &[u8]) -> String {
        self.send(request);
        self.action()
    }

    /// Asks about a message, by its `instance`.
    pub fn ask_about(&mut self, instance: &str) -> String {
        self.ask(&request(&[("instance", instance)]))
    }

    /// How long a reply may take, where that is what a test is about.
    pub fn set_patience(&self, patience: Duration) {
        let bounded = self.socket.set_read_timeout(Some(patience));
        bounded.expect("a socket takes a time-out");
    }

    /// Whether the other side ends the connection, with nothing more before.
    pub fn is_ended(&mut self) -> bool {
        self.reply().is_none() && self.buffer.is_empty()
    }

    pub fn shut_down_writing(&self) {
        self.socket.shutdown(Shutdown::Write).expect("it is open");
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        let linger = self.socket.set_linger(Some(Duration::ZERO));
        linger.expect("a socket takes SO_LINGER");
    }
}

/// A request of `smtpd_access_policy` with these attributes.
pub fn request(attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut text = "request=smtpd_access_policy\nprotocol_state=RCPT\n".to_owned();
    for (name, value) in attributes {
        text += &format!("{name}={value}\n");
    }
    (text + "\n").into_bytes()
}
