//! The drop-in: standard input and output as the only client.
//!
//! Sockets are waited for without blocking. Making pipes, terminals and files non-blocking would change them for other
//! processes as well: they are read when something has come, and written to with a wait, which holds up nobody else.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use mio::{Events, Interest, Poll, Registry, event::Event, unix::SourceFd};
use policy_flow::{ClientId, Peer, PlaceLimits, Places, RequestMemory, Sent, Waiting};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, retry_on_intr},
};

use crate::{
    Log, Proxy,
    proxy::{
        connection::{Connection, Read},
        driver::{ClientSide, Driver},
        flow_io::FlowIo,
        links::Links,
        mailbox::{Made, Mailbox, Message},
        token::{Side, Source},
    },
    stdio::{is_same_socket, socket},
};

/// Serves the one connection of standard input and output to its end.
///
/// # Errors
///
/// What the system says of the descriptors.
pub(crate) fn serve_stdio(proxy: Proxy, log: Log) -> io::Result<()> {
    let poll = Poll::new()?;
    let registry = Arc::new(poll.registry().try_clone()?);
    let mailbox = Arc::new(Mailbox::new(poll.registry())?);
    let client = Stdio::new(Arc::clone(&registry), log)?;
    let proxy = Arc::new(proxy);
    let links = Links::new(registry, Arc::clone(&proxy.backends), Arc::clone(&mailbox));
    let places = Places::new(PlaceLimits {
        all: 1,
        per_address: None,
        per_user: None,
    });
    let flow = proxy.flow(0, places, RequestMemory::new(None));
    let mut io = FlowIo::new(flow, Driver::new(client, links, proxy));
    let accepted = io.flow.accept(Peer::User(0), &mut io.driver);
    let client = accepted.map_err(io::Error::other)?;
    let mut session = Session {
        poll,
        events: Events::with_capacity(EVENTS),
        io,
        client,
        mailbox,
    };
    while !session.io.driver.clients.is_closed {
        session.turn()?;
    }
    Ok(())
}

struct Session {
    poll: Poll,
    events: Events,
    io: FlowIo<Stdio>,
    client: ClientId,
    mailbox: Arc<Mailbox>,
}

impl Session {
    /// Waits until something happens, and does what is to be done then. Data counts before a time-out.
    fn turn(&mut self) -> io::Result<()> {
        let next = self.io.flow.next_timer();
        let patience = match self.is_readable() {
            true => Some(Duration::ZERO),
            false => next.map(|next| next.saturating_duration_since(self.io.now)),
        };
        let is_complete = self.wait(patience)?;
        self.io.set_now();
        self.report();
        if !is_complete || self.io.is_due() {
            self.wait(Some(Duration::ZERO))?;
            self.report();
        }
        self.io.resume_links();
        self.read();
        self.io.tick();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(self.events.iter().count() < EVENTS),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn report(&mut self) {
        for event in &self.events {
            if let Source::Link(index) = Source::of(event.token()) {
                self.io.link_event(index, event);
            }
        }
        let mut has_messages = false;
        let mut is_gone = false;
        for event in &self.events {
            match Source::of(event.token()) {
                Source::Client(index) => {
                    let heard = self.io.driver.clients.heard(index, event);
                    if heard.is_flushed {
                        self.io
                            .flow
                            .client_flushed(self.client, &mut self.io.driver);
                    }
                    is_gone |= heard.is_gone;
                }
                Source::Mailbox => has_messages = true,
                Source::Link(_) | Source::Listener(_) | Source::Signals => {}
            }
        }
        if has_messages {
            self.read_messages();
        }
        self.events.clear();
        if is_gone {
            // What it has sent before is read first.
            self.read();
            self.io.flow.client_gone(self.client, &mut self.io.driver);
        }
    }

    fn read_messages(&mut self) {
        let mut messages = Vec::new();
        self.mailbox.take(&mut messages);
        for message in messages {
            if let Message::Resolved(slot, found) = message {
                self.io.flow.resolved(slot, found, &mut self.io.driver);
            }
        }
    }

    /// Whether something may have come that is waited for.
    fn is_readable(&self) -> bool {
        let is_reading = self.io.flow.clients().is_reading(self.client);
        is_reading && self.io.driver.clients.input.is_readable()
    }

    /// Reads what has come, as far as it is waited for.
    fn read(&mut self) {
        while self.is_readable() {
            let room = self.io.flow.clients().room(self.client);
            let room = room.min(self.io.scratch.len());
            let Some(room) = self
                .io
                .scratch
                .get_mut(..room)
                .filter(|room| !room.is_empty())
            else {
                return;
            };
            match self.io.driver.clients.input.read(room) {
                Read::Data(count) => {
                    let data = self.io.scratch.get(..count).unwrap_or_default();
                    self.io
                        .flow
                        .client_data(self.client, data, &mut self.io.driver);
                }
                Read::Nothing => return,
                Read::End => return self.io.flow.client_ended(self.client, &mut self.io.driver),
                Read::Descriptors => {
                    self.io.driver.proxy.journal.descriptors_sent();
                    return self.io.flow.client_gone(self.client, &mut self.io.driver);
                }
                Read::Failed(_) => {
                    return self.io.flow.client_gone(self.client, &mut self.io.driver);
                }
            }
        }
    }
}

/// Standard input and output.
#[derive(Debug)]
struct Stdio {
    input: Input,
    output: Output,
    log: Log,
    registry: Arc<Registry>,
    is_closed: bool,
}

#[derive(Debug)]
enum Input {
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

/// What an event at standard input or output says.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    is_flushed: bool,
    is_gone: bool,
}

impl Stdio {
    fn new(registry: Arc<Registry>, log: Log) -> io::Result<Self> {
        let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let open = |fd, index| {
            let mut connection = Connection::FREE;
            let token = Side::Clients.token(index);
            let socket = socket(fd)?.map(|socket| {
                connection.register(socket, Made::Elsewhere, false, token, &registry)?;
                Ok::<_, io::Error>(connection)
            });
            socket.transpose()
        };
        let input = match open(stdin, STDIN)? {
            Some(socket) => Input::Socket(socket),
            None => {
                let token = Side::Clients.token(STDIN);
                let source = &mut SourceFd(&stdin.as_raw_fd());
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

    fn heard(&mut self, index: usize, event: &Event) -> Heard {
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
        let mut lines = self.log.take_pending();
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
    fn is_readable(&self) -> bool {
        match self {
            Self::Socket(connection) => connection.is_readable(),
            Self::File { is_ready, .. } => *is_ready,
        }
    }

    fn read(&mut self, room: &mut [u8]) -> Read {
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
/// Standard input, and connections to backends: there are a few at most.
const EVENTS: usize = 16;
