//! What a service manager is told (`Type=notify`), and what it passes: sd_notify(3), sd_listen_fds(3).

use std::{
    env, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pipe::{PipeFlags, pipe_with},
    time::{ClockId, clock_gettime},
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::daemon::{
    log::{Level, Log},
    restart::fd_passing,
};

/// Says this, if there is a manager that wants to hear it. It may wait for the manager: not to be
/// called where requests are served.
pub(crate) fn notify(log: &Log, what: &str) {
    if let Err(error) = send(what, &[]) {
        let text = format!("cannot notify the service manager: {error}");
        log.line(Level::Warning, text);
    }
}

/// Says that another process is about to go on with the work of this one.
pub(crate) fn reloading(log: &Log) {
    let now = clock_gettime(ClockId::Monotonic);
    let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    notify(log, &format!("RELOADING=1\nMONOTONIC_USEC={now}"));
}

/// Says that this is the end, on a thread of its own, which is to be waited for in the end: requests are
/// under way.
pub(crate) fn stopping(log: &Log) -> Option<JoinHandle<()>> {
    let log = log.clone();
    let say = move || notify(&log, "STOPPING=1");
    // Without a thread it is not said: the manager has most likely asked for it.
    thread::Builder::new().spawn(say).ok()
}

/// Has the manager keep connections for the next process of this service.
pub(crate) fn store(connections: &[OwnedFd]) -> io::Result<()> {
    let connections: Vec<BorrowedFd<'_>> = connections.iter().map(AsFd::as_fd).collect();
    send(&format!("FDSTORE=1\n{STORED}"), &connections)
}

/// Has the manager close what it stored, now that this process has it: it keeps descriptors of its own,
/// with which a connection would never end for its client. `others` are names of what should not be there.
pub(crate) fn empty_store(log: &Log, others: &[String]) {
    let others = others.iter().map(String::as_str);
    for name in [STORED_NAME].into_iter().chain(others) {
        notify(log, &format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }
}

/// Waits until the manager has read what was sent: it looks for the process that sent it, and would
/// not find one that has ended.
pub(crate) fn wait_until_read() -> io::Result<()> {
    let (near, far) = pipe_with(PipeFlags::CLOEXEC)?;
    send("BARRIER=1", &[far.as_fd()])?;
    drop(far);
    poll(
        &mut [PollFd::new(&near, PollFlags::empty())],
        Some(&BARRIER),
    )?;
    Ok(())
}

/// Whether there is a manager to talk to.
pub(crate) fn has_manager() -> bool {
    env::var_os(NOTIFY_SOCKET).is_some()
}

fn send(what: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os(NOTIFY_SOCKET) else {
        return Ok(());
    };
    let mut path = path.into_vec();
    if let Some(first) = path.first_mut().filter(|first| **first == b'@') {
        *first = 0; // an abstract one
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    // A manager that does not read is not waited for without end.
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&SockAddr::unix(std::ffi::OsStr::from_bytes(&path))?)?;
    fd_passing::send(&socket, what.as_bytes(), descriptors)
}

/// How soon the manager wants the next sign of life, if it does.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    let within = number("WATCHDOG_USEC").filter(|within| *within > 0 && !is_other);
    within.map(Duration::from_micros)
}

/// A counter for each worker's event loop, which shows that it turns.
#[derive(Debug)]
pub(crate) struct Pulses {
    counters: Vec<AtomicU64>,
    /// How often they beat.
    pub(crate) pause: Duration,
}

impl Pulses {
    /// Pulses for so many workers, if the manager asks for a sign of life within some time: it gets
    /// one three times as often, as long as all workers turn.
    pub(crate) fn watched(workers: usize, log: &Log) -> io::Result<Option<Arc<Self>>> {
        let Some(within) = watchdog() else {
            return Ok(None);
        };
        let pulses = Arc::new(Self {
            counters: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            pause: within / 10,
        });
        let (watched, log) = (Arc::clone(&pulses), log.clone());
        // A thread of its own, since a manager that does not read would stop a worker.
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(move || {
            let mut seen = watched.seen();
            loop {
                thread::sleep(within / 3);
                let now = watched.seen();
                match now.iter().zip(&seen).position(|(now, seen)| now == seen) {
                    None => notify(&log, "WATCHDOG=1"),
                    Some(worker) => {
                        let text = format!("worker {worker} does not turn: no sign of life");
                        log.line(Level::Error, text);
                    }
                }
                seen = now;
            }
        })?;
        Ok(Some(pulses))
    }

    /// Shows that this worker turns.
    pub(crate) fn beat(&self, worker: usize) {
        if let Some(counter) = self.counters.get(worker) {
            counter.fetch_add(1, Relaxed);
        }
    }

    fn seen(&self) -> Vec<u64> {
        self.counters
            .iter()
            .map(|counter| counter.load(Relaxed))
            .collect()
    }
}

/// What connections are called in the store.
pub(crate) const STORED_NAME: &str = "client";
const STORED: &str = "FDNAME=client";
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const PATIENCE: Duration = Duration::from_secs(3);
/// As in systemd's own library; a manager reads within milliseconds.
const BARRIER: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};
