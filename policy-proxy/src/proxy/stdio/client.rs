//! Standard input and output: how they are read and written, whatever they are.
//!
//! Sockets are waited for without blocking. Making pipes, terminals and files non-blocking would change them for other
//! processes as well: they are read when something has come, and written to with a wait, which holds up nobody else.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use mio::{Interest, Registry, event::Event, unix::SourceFd};
use policy_daemon::{is_same_socket, log::Log, stream_socket};
use policy_flow::{ClientId, Peer, Sent, Waiting};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, retry_on_intr},
};

use crate::proxy::{
    driver::ClientSide,
    socket::{Connection, NewSocket, Read, Side},
};

/// Standard input and output.
#[derive(Debug)]
pub(super) struct Stdio {
    pub(super) input: Input,
    output: Output,
    log: Log,
    registry: Arc<Registry>,
    pub(super) is_closed: bool,
}

#[derive(Debug)]
pub(super) enum Input {
    Socket(Connection),
    File {
        fd: BorrowedFd<'static>,
        /// The system tells when something has come: else reading does not block.
        is_waited_for: bool,
        is_ready: bool,
    },
}

#[derive(Debug)]
enum Output {
    /// The socket of standard input.
    Input,
    Socket(Connection),
    File(BorrowedFd<'static>),
}

/// The news of an event at standard input or output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) is_flushed: bool,
    pub(super) is_gone: bool,
}

impl Stdio {
    pub(super) fn new(registry: Arc<Registry>, log: Log) -> io::Result<Self> {
        let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let open = |fd, index| {
            let mut connection = Connection::FREE;
            let token = Side::Clients.token(index);
            let socket = stream_socket(fd)?.map(|socket| {
                let socket = NewSocket::of_other_process(socket)?;
                connection.register(socket, false, token, &registry)?;
                Ok::<_, io::Error>(connection)
            });
            socket.transpose()
        };
        let input = match open(stdin, STDIN)? {
            Some(socket) => Input::Socket(socket),
            None => {
                let token = Side::Clients.token(STDIN);
                let descriptor = stdin.as_raw_fd();
                let source = &mut SourceFd(&descriptor);
                let registered = registry.register(source, token, Interest::READABLE);
                Input::File {
                    fd: stdin,
                    is_waited_for: registered.is_ok(),
                    is_ready: registered.is_err(),
                }
            }
        };
        let output = match input {
            Input::Socket(_) if is_same_socket(stdin, stdout) => Output::Input,
            _ => open(stdout, STDOUT)?.map_or(Output::File(stdout), Output::Socket),
        };
        Ok(Self {
            input,
            output,
            log,
            registry,
            is_closed: false,
        })
    }

    pub(super) fn heard(&mut self, index: usize, event: &Event) -> Heard {
        let mut heard = Heard::default();
        if index == STDIN {
            match &mut self.input {
                Input::Socket(connection) => connection.heard(event),
                Input::File { is_ready, .. } => *is_ready = true,
            }
        }
        let is_output = index == STDOUT || matches!(self.output, Output::Input);
        if !is_output {
            return heard;
        }
        heard.is_gone = event.is_error() || event.is_write_closed();
        let (connection, token) = match (&mut self.output, &mut self.input) {
            (Output::Socket(connection), _) => (connection, Side::Clients.token(STDOUT)),
            (Output::Input, Input::Socket(connection)) => (connection, Side::Clients.token(STDIN)),
            _ => return heard,
        };
        if event.is_writable() {
            match connection.flush(token, &self.registry) {
                Ok(is_flushed) => heard.is_flushed = is_flushed,
                Err(_) => heard.is_gone = true,
            }
        }
        heard
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Sent> {
        match (&mut self.output, &mut self.input) {
            (Output::Socket(connection), _) => {
                connection.send(bytes, Side::Clients.token(STDOUT), &self.registry)
            }
            (Output::Input, Input::Socket(connection)) => {
                connection.send(bytes, Side::Clients.token(STDIN), &self.registry)
            }
            (Output::File(fd), _) => write_all(*fd, bytes).map(|()| Sent::All),
            (Output::Input, Input::File { .. }) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl ClientSide for Stdio {
    /// Lines of the log that stand before a reply are sent with it.
    fn send(&mut self, _: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        let mut lines = self.log.take_buffered();
        if lines.is_empty() {
            return self.write(bytes);
        }
        lines.extend_from_slice(bytes);
        self.write(&lines)
    }

    fn close(&mut self, _: ClientId) {
        self.is_closed = true;
    }

    fn leave(&mut self, _: ClientId) {
        self.is_closed = true;
    }

    // It is looked at in each turn.
    fn resume(&mut self, _: ClientId) {}

    // Nobody else wants its place.
    fn has_bytes(&mut self, _: ClientId) -> bool {
        true
    }

    fn evicted(&mut self, _: Peer, _: Waiting, _: Duration) {}

    fn wake(&mut self, _: usize) {}

    fn named(&self, _: Peer) -> Option<Peer> {
        None
    }
}

impl Input {
    pub(super) fn is_readable(&self) -> bool {
        match self {
            Self::Socket(connection) => connection.is_readable(),
            Self::File { is_ready, .. } => *is_ready,
        }
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> Read {
        let (fd, is_waited_for, is_ready) = match self {
            Self::Socket(connection) => return connection.read(room),
            Self::File {
                fd,
                is_waited_for,
                is_ready,
            } => (*fd, *is_waited_for, is_ready),
        };
        // The system has told of it once, and reading may block.
        if is_waited_for && !has_input(fd) {
            *is_ready = false;
            return Read::Nothing;
        }
        match retry_on_intr(|| rustix::io::read(fd, &mut *room)) {
            Ok(0) => {
                *is_ready = false;
                Read::End
            }
            Ok(count) => Read::Data(count),
            Err(Errno::AGAIN) => {
                *is_ready = false;
                Read::Nothing
            }
            Err(error) => Read::Failed(error.into()),
        }
    }
}

/// Whether reading would not block.
fn has_input(fd: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let ready = retry_on_intr(|| poll(&mut watched, Some(&Timespec::default())));
    ready.is_ok_and(|ready| ready > 0)
}

/// Writes all of it, however long that takes.
fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match retry_on_intr(|| rustix::io::write(fd, bytes)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            // Another process may have made it so.
            Err(Errno::AGAIN) => {
                let mut watched = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                retry_on_intr(|| poll(&mut watched, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

const STDIN: usize = 0;
const STDOUT: usize = 1;
