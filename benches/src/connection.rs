//! One client's connection, which waits for its answers: what the clients of faults, soak and spawn share.
//!
//! The load of policy-client would not do: those clients leave within a request, know the mark of each answer, or look at the
//! connection and ask again as Postfix does, over sockets of processes, too.

use std::{
    io::{self, ErrorKind, Read, Write},
    mem::MaybeUninit,
    time::{Duration, Instant},
};

use socket2::Socket;

use crate::process::Process;

/// A connection, with what was read and does not belong to an answer yet.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    read: Vec<u8>,
    /// The program at its other end, where it has one of its own.
    _process: Option<Process>,
}

impl Connection {
    /// Over this socket; the process ends with it.
    pub fn new(socket: impl Into<Socket>, process: Option<Process>) -> Self {
        Self {
            socket: socket.into(),
            read: Vec::new(),
            _process: process,
        }
    }

    /// Sends these bytes. What was read so far belongs to no answer to them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.read.clear();
        (&self.socket).write_all(bytes)
    }

    /// Reads until `scan` finds an answer; `UnexpectedEof` at an end before it, `WouldBlock` after that time.
    pub fn read<T>(&mut self, time: Duration, scan: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(answer) = scan(&self.read) {
                return Ok(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left))?;
            let mut bytes = [0; 16384];
            match (&self.socket).read(&mut bytes)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => self.read.extend_from_slice(&bytes[..length]),
            }
        }
    }

    /// Whether something is there to be read, or the end.
    pub fn is_readable(&self) -> io::Result<bool> {
        self.socket.set_nonblocking(true)?;
        let peeked = self.socket.peek(&mut [MaybeUninit::uninit()]);
        self.socket.set_nonblocking(false)?;
        Ok(!peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }
}

/// An answer that ends in a blank line, as a whole.
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<Vec<u8>> {
    bytes.ends_with(b"\n\n").then(|| bytes.to_vec())
}
