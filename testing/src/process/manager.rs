//! A service manager, as systemd is one.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    process::{Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use super::{Daemon, PATIENCE, hapolicy};

/// A service manager as systemd is one: it binds sockets and passes them, hears what its services have
/// to say, and keeps the connections that they store.
#[derive(Debug)]
pub struct Manager {
    pub sockets: Vec<OwnedFd>,
    /// Further variables of the environment.
    pub environment: Vec<(&'static str, String)>,
    heard: Arc<Heard>,
    dir: TempDir,
}

#[derive(Debug, Default)]
struct Heard {
    /// Something has been read that is not in the state yet.
    reads: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    said: Vec<String>,
    /// With their names.
    kept: Vec<(String, OwnedFd)>,
}

impl Manager {
    pub fn of(sockets: Vec<OwnedFd>) -> Self {
        let dir = TempDir::new().expect("a directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        // It ends with the test's process.
        thread::spawn(move || while listener.hear(&socket).is_ok() {});
        Self {
            sockets,
            environment: Vec::new(),
            heard,
            dir,
        }
    }

    /// Keeps this as if the daemon before had stored it.
    pub fn keep(&self, stored: OwnedFd) {
        self.keep_as("client", stored);
    }

    /// The same under a name that was chosen for it.
    pub fn keep_as(&self, name: &str, stored: OwnedFd) {
        self.heard.lock().kept.push((name.to_owned(), stored));
    }

    /// Starts the daemon with its sockets, and with what it keeps for it.
    pub fn start(&self, args: &[&str]) -> Daemon {
        Daemon::of(&mut self.command(args), self.sockets.len())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let sockets = self.sockets.iter();
        let sockets = sockets.map(|socket| socket.try_clone().expect("a descriptor"));
        let state = self.heard.lock();
        let kept = state.kept.iter();
        // As systemd does, it passes duplicates until it is told to remove its own.
        let mut names = vec!["hapolicy.socket".to_owned(); self.sockets.len()];
        names.extend(kept.clone().map(|(name, _)| name.clone()));
        let kept = kept.map(|(_, kept)| kept.try_clone().expect("a descriptor"));
        let all: Vec<OwnedFd> = sockets.chain(kept).collect();
        drop(state);
        let count = all.len();
        let mappings = (3..).zip(all).map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        // The process ID that the variable has to hold is known to a shell that becomes the daemon.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", hapolicy(), "-L"])
            .args(args)
            .env("LISTEN_FDS", count.to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let mappings = mappings.collect();
        command.fd_mappings(mappings).expect("each has its place");
        command
    }

    /// Waits until something has been said so many times; whether it was.
    pub fn wait(&self, count: usize, what: &str) -> bool {
        let less =
            |state: &mut State| state.said.iter().filter(|said| *said == what).count() < count;
        let waited = self
            .heard
            .changed
            .wait_timeout_while(self.heard.lock(), PATIENCE, less);
        !waited.expect("no panic under the lock").1.timed_out()
    }

    /// All that was said.
    pub fn said(&self) -> Vec<String> {
        self.heard.lock().said.clone()
    }

    /// It reads nothing while this is held, and there is no room for more.
    pub fn deaf(&self) -> impl Drop {
        let state = self.heard.lock();
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let say = || socket.send_to(b"", self.dir.path().join("notify"));
        say().expect("there is room");
        // It reads one more, and then waits for this.
        while !self.heard.reads.load(Relaxed) {
            thread::yield_now();
        }
        while say().is_ok() {}
        state
    }

    /// How many connections it keeps.
    pub fn kept(&self) -> usize {
        self.heard.lock().kept.len()
    }
}

impl Heard {
    fn hear(&self, socket: &UnixDatagram) -> io::Result<()> {
        let mut text = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut text)];
        let received = recvmsg(
            socket.as_fd(),
            slices,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let text = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
        self.reads.store(true, Relaxed);
        let mut state = self.lock();
        self.reads.store(false, Relaxed);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message
                && text.starts_with("FDSTORE=1")
            {
                let named = |kept| ("client".to_owned(), kept);
                state.kept.extend(descriptors.map(named));
            }
            // All others are closed, which is the answer to a barrier.
        }
        if let Some(name) = text.strip_prefix("FDSTOREREMOVE=1\nFDNAME=") {
            state.kept.retain(|(kept, _)| kept != name);
        }
        state.said.push(text);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }
}
