//! Who comes after this daemon, and who was before it: what is done at the handover socket, and over connections to
//! daemons that still have requests under way.

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use socket2::Socket;

use crate::{
    daemon::{
        listen::set::Listening,
        log::{Level, Log},
        process::{
            apart::Apart,
            systemd::{self, notify},
        },
        restart::{
            clients::clients_from,
            protocol::{MOST_EARLIER, Successor},
        },
        shutdown::Said,
        worker::Common,
    },
    journal::ALL,
};

/// What is given to a successor, and taken from predecessors.
#[derive(Debug)]
pub(crate) struct Succession {
    /// The users whose processes are trusted.
    pub(crate) trusted: Vec<u32>,
    /// Connections over which daemons before this one send their clients.
    pub(crate) earlier: Vec<Apart>,
    pub(crate) listening: Arc<Listening>,
    pub(crate) common: Arc<Common>,
    pub(crate) log: Log,
}

/// What there is to do.
enum Heard {
    /// Somebody calls.
    Call,
    /// The process that is starting has something to say.
    Successor,
    /// It has been waited for long enough.
    Late,
    /// One of the daemons before, by its index.
    Earlier(usize),
}

impl Succession {
    /// Answers calls until there is a successor, or the socket for them has been shut down.
    pub(crate) fn answer(mut self) {
        let listening = Arc::clone(&self.listening);
        let Some(listener) = listening.calls() else {
            return;
        };
        // Others are heard meanwhile.
        let mut starting: Option<Successor> = None;
        loop {
            match self.wait(listener, starting.as_ref()) {
                Err(_) => thread::sleep(PAUSE),
                Ok(Heard::Earlier(index)) => self.take_clients(index),
                Ok(Heard::Successor) => {
                    if let Some(mut successor) = starting.take() {
                        match successor.is_ready() {
                            Ok(true) => return self.pass_on_to(successor),
                            Ok(false) => starting = Some(successor),
                            Err(error) => self.go_on(successor.process, &error),
                        }
                    }
                }
                Ok(Heard::Late) => {
                    if let Some(successor) = starting.take() {
                        let process = successor.process;
                        self.go_on(process, &successor.give_up());
                    }
                }
                Ok(Heard::Call) => match Successor::next(listener, &self.trusted) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                    Err(_) => thread::sleep(PAUSE),
                    // It has said nothing, like one that only makes sure whose socket this is.
                    Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    Ok(Err(error)) => self.no_handover(&error),
                    Ok(Ok(other)) if starting.is_some() => {
                        self.no_handover(&format!(
                            "another process is about to take over, so process {} may not",
                            other.process
                        ));
                    }
                    Ok(Ok(successor)) => match self.hand_over(&successor) {
                        Ok(()) => starting = Some(successor),
                        Err(error) => self.go_on(successor.process, &error),
                    },
                },
            }
        }
    }

    fn wait(&self, listener: &Socket, starting: Option<&Successor>) -> io::Result<Heard> {
        let until = starting.and_then(|successor| successor.until);
        let limit = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or_default()
        });
        // Those before come last: what a successor says is more urgent.
        let starting_from = starting.map(Successor::connection).transpose()?;
        let mut all = vec![listener.as_fd()];
        all.extend(starting_from);
        for earlier in &self.earlier {
            all.push(earlier.get()?.as_fd());
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
        if starting.is_some() && is_ready(1) {
            return Ok(Heard::Successor);
        }
        if ready == 0 || until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Heard::Late);
        }
        // Before what daemons send that may never end.
        if is_ready(0) {
            return Ok(Heard::Call);
        }
        let earlier = (0..self.earlier.len()).find(|index| is_ready(first + index));
        Ok(earlier.map_or(Heard::Call, Heard::Earlier))
    }

    /// Serves clients of a daemon before this one.
    fn take_clients(&mut self, index: usize) {
        let Some(connection) = self.earlier.get(index) else {
            return;
        };
        // Not more at once than the workers take: a daemon that floods this one is not read meanwhile.
        if self.common.crew.waiting() > MOST_WAITING {
            return thread::sleep(PAUSE / 100);
        }
        match clients_from(connection) {
            Some(clients) => {
                if clients.others > 0 {
                    let text = format!(
                        "the daemon before has passed on {} descriptors that are no clients: closed",
                        clients.others
                    );
                    let journal = &self.common.proxy.journal;
                    journal.repeatable(Level::Warning, "no clients", ALL, text);
                }
                self.common.take(clients.connections);
            }
            None => drop(self.earlier.swap_remove(index)),
        }
    }

    fn hand_over(&self, successor: &Successor) -> io::Result<()> {
        let text = format!(
            "process {} is about to take over: it gets the listening sockets",
            successor.process
        );
        self.log.line(Level::Info, text);
        // Of more, the clients end with this process.
        let earlier = &self.earlier[..self.earlier.len().min(MOST_EARLIER - 1)];
        self.common.successor.store(successor.process, Relaxed);
        successor.hand_over(&self.listening.share()?, earlier)?;
        // It may wait for the manager, which the successor must not.
        systemd::reloading(&self.log);
        Ok(())
    }

    /// There is a successor: whoever is idle goes to it.
    fn pass_on_to(&self, successor: Successor) {
        let process = successor.process;
        let deliver = move |connections: &[_]| successor.deliver(connections);
        self.common.passing.to(&self.log, deliver);
        notify(&self.log, &format!("MAINPID={process}\nREADY=1"));
        self.log
            .line(Level::Info, format!("handing over to process {process}"));
        self.common.crew.tell_main(Said::Succeeded);
    }

    /// There is none.
    fn go_on(&self, process: i32, why: &io::Error) {
        self.listening.unshare();
        self.common.successor.store(0, Relaxed);
        notify(&self.log, "READY=1");
        self.no_handover(&format!("process {process} has not taken over: {why}"));
    }

    fn no_handover(&self, why: &dyn std::fmt::Display) {
        self.log.line(Level::Warning, format!("no handover: {why}"));
    }
}

/// After an error, such as running out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that no worker has taken yet.
const MOST_WAITING: usize = 1024;
