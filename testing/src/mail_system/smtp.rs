//! An SMTP client that keeps what it is told.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddrV4, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
};

use super::PATIENCE;

/// A connection to an SMTP server.
pub struct Smtp {
    stream: BufReader<Box<dyn Stream>>,
    tls: Option<Child>,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Smtp {
    /// Connects; also returns the server's greeting.
    pub fn connect(server: SocketAddrV4) -> (Self, String) {
        let stream = TcpStream::connect(server)
            .unwrap_or_else(|error| panic!("no SMTP server at {server}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut smtp = Self {
            stream: BufReader::new(Box::new(stream)),
            tls: None,
        };
        let greeting = smtp.reply();
        (smtp, greeting)
    }

    /// Connects and gives STARTTLS, which costs an EHLO of its own.
    ///
    /// The TLS is openssl(1)'s. It has one end of a socket pair as its input and output: a pipe
    /// could not be read with a time limit.
    pub fn connect_tls(server: SocketAddrV4) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let output = theirs.try_clone().expect("a descriptor is left");
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-starttls", "smtp", "-connect"])
            .arg(server.to_string())
            .args(["-name", CLIENT])
            .stdin(OwnedFd::from(theirs))
            .stdout(OwnedFd::from(output))
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        Self {
            stream: BufReader::new(Box::new(ours)),
            tls: Some(child),
        }
    }

    /// Sends a command, and returns the last line of the reply.
    pub fn command(&mut self, command: &str) -> String {
        let sent = write!(self.stream.get_mut(), "{command}\r\n");
        sent.unwrap_or_else(|error| panic!("cannot send {command:?}: {error}"));
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            read.unwrap_or_else(|error| panic!("no reply in time: {error}"));
            assert!(line.ends_with('\n'), "the server hung up: {line:?}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("tls", &self.tls).finish()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        if let Some(child) = &mut self.tls {
            // It may have ended by itself, after QUIT.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The name with which our clients greet.
pub const CLIENT: &str = "client.example.net";
