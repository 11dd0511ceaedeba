//! The thread that hands this daemon over to its successor, and takes the clients of the daemons before it.

use std::{
    fmt, io,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use socket2::Socket;

use super::{
    clients::clients_from,
    protocol::{HandoverRequest, MAX_EARLIER, Successor},
};
use crate::{
    listen::set::ListenSet,
    log::{ALL, Level, Log},
    process::{
        fd,
        received::ReceivedSocket,
        systemd::{self, notify},
    },
    side::SideHandle,
    worker::Shared,
};

/// Hands over to a successor, and takes clients from predecessors.
pub(crate) struct HandoverServer<M> {
    /// The users whose processes are trusted.
    pub(crate) trusted_uids: Vec<u32>,
    /// Connections over which daemons before this one send their clients.
    pub(crate) predecessors: Vec<ReceivedSocket>,
    pub(crate) sockets: Arc<ListenSet>,
    pub(crate) shared: Arc<Shared<M>>,
    /// The listeners beside those for clients.
    pub(crate) side: Vec<SideHandle>,
    /// Tells the main thread that a successor serves.
    pub(crate) succeeded: Box<dyn Fn() + Send>,
}

/// The connection that has something to read.
enum Ready {
    /// A process asks for a handover.
    Listener,
    /// The process that is starting has sent a message.
    Successor,
    /// The process that is starting has taken too long.
    Late,
    /// A daemon before this one, by its index.
    Predecessor(usize),
}

impl<M> HandoverServer<M> {
    /// Answers requests until there is a successor, or the socket for handovers has been shut down.
    pub(crate) fn run(mut self) {
        let sockets = Arc::clone(&self.sockets);
        let Some(listener) = sockets.handover() else {
            return;
        };
        // While one process is starting, the socket and the predecessors are still served.
        let mut starting: Option<Successor> = None;
        loop {
            match self.wait(listener, starting.as_ref()) {
                Err(_) => thread::sleep(PAUSE),
                Ok(Ready::Predecessor(index)) => self.take_clients(index),
                Ok(Ready::Successor) => {
                    if let Some(mut successor) = starting.take() {
                        match successor.is_ready() {
                            Ok(true) => return self.finish(successor),
                            Ok(false) => starting = Some(successor),
                            Err(error) => self.serve_on(successor.process, &error),
                        }
                    }
                }
                Ok(Ready::Late) => {
                    if let Some(successor) = starting.take() {
                        let process = successor.process;
                        self.serve_on(process, &successor.give_up());
                    }
                }
                Ok(Ready::Listener) => match Successor::accept(listener, &self.trusted_uids) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                    Err(_) => thread::sleep(PAUSE),
                    Ok(HandoverRequest(request)) => self.answer(request, &mut starting),
                },
            }
        }
    }

    fn answer(&self, request: io::Result<Successor>, starting: &mut Option<Successor>) {
        match request {
            // A process that only checks whose socket this is sends nothing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => self.no_handover(&error),
            Ok(other) if starting.is_some() => self.no_handover(&format!(
                "another process is about to take over, so process {} may not",
                other.process
            )),
            Ok(successor) => match self.hand_over(&successor) {
                Ok(()) => *starting = Some(successor),
                Err(error) => self.serve_on(successor.process, &error),
            },
        }
    }

    fn wait(&self, listener: &Socket, starting: Option<&Successor>) -> io::Result<Ready> {
        let until = starting.and_then(|successor| successor.until);
        let limit = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or_default()
        });
        let starting_from = starting.map(Successor::connection).transpose()?;
        let mut all = vec![listener.as_fd()];
        all.extend(starting_from);
        for predecessor in &self.predecessors {
            all.push(predecessor.get()?.as_fd());
        }
        let watch = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        let mut watched: Vec<_> = all.into_iter().map(watch).collect();
        let ready = retry_on_intr(|| poll(&mut watched, limit.as_ref()))?;
        let first = 1 + usize::from(starting.is_some());
        let is_ready = |index: usize| {
            watched
                .get(index)
                .is_some_and(|watched| !watched.revents().is_empty())
        };
        // A successor's message comes first, and predecessors last: they may send without end.
        if starting.is_some() && is_ready(1) {
            return Ok(Ready::Successor);
        }
        if ready == 0 || until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Ready::Late);
        }
        if is_ready(0) {
            return Ok(Ready::Listener);
        }
        let predecessor = (0..self.predecessors.len()).find(|index| is_ready(first + index));
        Ok(predecessor.map_or(Ready::Listener, Ready::Predecessor))
    }

    /// Serves clients of a daemon before this one.
    fn take_clients(&mut self, index: usize) {
        let Some(connection) = self.predecessors.get(index) else {
            return;
        };
        // No more at once than the workers take: a daemon that floods this one is not read meanwhile. With few descriptors
        // those of a message would not all arrive, and its other clients would be lost.
        if self.shared.workers.waiting() > MAX_WAITING.min(fd::limit() / 8) {
            return thread::sleep(PAUSE / 100);
        }
        match clients_from(connection) {
            Some(clients) => {
                if clients.others > 0 {
                    let text = format!(
                        "the daemon before has passed on {} descriptors that are no clients: closed",
                        clients.others
                    );
                    let log = &self.shared.log;
                    log.line(Level::Warning, "no clients", ALL, text);
                }
                self.shared.take(clients.connections);
            }
            None => drop(self.predecessors.swap_remove(index)),
        }
    }

    fn hand_over(&self, successor: &Successor) -> io::Result<()> {
        let text = format!(
            "process {} is about to take over: it gets the listening sockets",
            successor.process
        );
        self.log().info(text);
        // The clients of further ones end with this process.
        let count = self.predecessors.len().min(MAX_EARLIER - 1);
        let predecessors = self.predecessors.get(..count).unwrap_or_default();
        self.shared.set_successor(Some(successor.process));
        successor.hand_over(&self.sockets.share()?, predecessors)?;
        // This may wait for the manager, and the successor must not.
        systemd::reloading(self.log());
        Ok(())
    }

    /// The successor serves: connections between two requests go to it.
    fn finish(&self, successor: Successor) {
        let process = successor.process;
        let deliver = move |connections: &[_]| successor.deliver(connections);
        self.shared.handoff.begin(self.log(), deliver);
        for side in &self.side {
            side.stop();
        }
        notify(self.log(), &format!("MAINPID={process}\nREADY=1"));
        self.log()
            .info(format!("handing over to process {process}"));
        (self.succeeded)();
    }

    /// The process has not become the successor.
    fn serve_on(&self, process: i32, why: &io::Error) {
        self.sockets.unshare();
        self.shared.set_successor(None);
        notify(self.log(), "READY=1");
        self.no_handover(&format!("process {process} has not taken over: {why}"));
    }

    fn no_handover(&self, why: &dyn fmt::Display) {
        let text = format!("no handover: {why}");
        self.log().line(Level::Warning, text);
    }

    fn log(&self) -> &Log {
        self.shared.log.log()
    }
}

/// After an error, such as running out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections in the workers' inboxes. As many again may have been taken from there, and have no place yet.
const MAX_WAITING: usize = 512;
