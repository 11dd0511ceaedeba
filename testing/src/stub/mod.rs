//! A policy server for tests: real sockets, a script of what to answer, a record of what came.
//!
//! One thread accepts, one serves each connection; all end with the [`Stub`]. Built on `socket2`
//! and not on std alone, since a reset needs `SO_LINGER` and a lost SYN a backlog of nothing.

mod script;
pub use script::{Reply, Script};

mod connection;
mod listener;
mod shared;

use std::net::Shutdown;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockFilter;

use crate::port::Port;
use connection::write;
use listener::{Place, Running};
use shared::{Shared, State};

/// A server that runs from its construction to its drop.
#[derive(Debug)]
pub struct Stub {
    place: Place,
    /// Its port is its own while it is stopped, too.
    _port: Option<Port>,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

impl Stub {
    /// On 127.0.0.1, at a port of the system's choice.
    pub fn tcp(script: Script) -> Self {
        let port = Port::any();
        Self::start(Place::Tcp(port.number()), Some(port), script)
    }

    /// At a path, replacing a socket that is there.
    pub fn unix(path: impl AsRef<Path>, script: Script) -> Self {
        Self::start(Place::Unix(path.as_ref().to_owned()), None, script)
    }

    fn start(place: Place, port: Option<Port>, script: Script) -> Self {
        let shared = Arc::new(Shared::new(script));
        let running = Running::start(&place, &shared);
        Self {
            place,
            _port: port,
            shared,
            running: Mutex::new(Some(running)),
        }
    }

    /// Changes what is done with later requests.
    pub fn set(&self, script: Script) {
        self.set_sequence([script]);
    }

    /// One script for each of the later requests in turn; the last one stays.
    pub fn set_sequence(&self, scripts: impl IntoIterator<Item = Script>) {
        let mut scripts: Vec<Script> = scripts.into_iter().collect();
        scripts.reverse();
        assert!(!scripts.is_empty(), "a stub needs a script");
        self.shared.lock().scripts = scripts;
    }

    /// Lets every answer that is held go, those to come too.
    pub fn release(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// Closes the listener and all connections: later connects are refused.
    pub fn stop(&self) {
        let running = self.running.lock().expect("no panic under the lock").take();
        if let Some(running) = running {
            running.stop(&self.shared);
        }
    }

    /// Sends these bytes over all open connections, unasked.
    pub fn say(&self, bytes: &[u8]) {
        for (_, socket) in &self.shared.lock().open {
            // An error says that the peer has closed it.
            write(socket, bytes);
        }
    }

    /// Closes all open connections, and goes on listening.
    pub fn hang_up(&self) {
        for (_, socket) in &self.shared.lock().open {
            // An error says that the peer was first.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The same by a reset.
    pub fn reset(&self) {
        for (_, socket) in &self.shared.lock().open {
            socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
            // Says nothing to the peer, but to the thread that reads, which closes then.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Whether the system drops each packet that comes for this stub from now on: to its peers it is
    /// as if a cable were cut. For TCP.
    pub fn drop_packets(&self, drop: bool) {
        let running = self.running.lock().expect("no panic under the lock");
        let listener = running.iter().map(|running| &running.listener);
        let state = self.shared.lock();
        // Connections accepted later inherit it from the listener.
        for socket in listener.chain(state.open.iter().map(|(_, socket)| socket)) {
            let done = if drop {
                socket.attach_filter(&[RETURN_ZERO])
            } else {
                socket.detach_filter()
            };
            done.expect("a filter of packets");
        }
    }

    /// Listens again at the same address.
    pub fn restart(&self) {
        self.stop();
        self.shared.lock().stopping = false;
        let running = Running::start(&self.place, &self.shared);
        *self.running.lock().expect("no panic under the lock") = Some(running);
    }

    /// The port of a TCP stub.
    pub fn port(&self) -> u16 {
        match self.place {
            Place::Tcp(port) => port,
            Place::Unix(_) => panic!("a UNIX stub has no port"),
        }
    }

    /// `127.0.0.1:PORT` or `unix:/path`.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Tcp(port) => format!("127.0.0.1:{port}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Every whole request, its blank line included, in the order in which they came.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        let state = self.shared.lock();
        state.requests.iter().map(|(_, r)| r.clone()).collect()
    }

    /// As [`Stub::requests`], each with the number of its connection, from 1.
    pub fn requests_by_connection(&self) -> Vec<(usize, Vec<u8>)> {
        self.shared.lock().requests.clone()
    }

    /// Bytes that came without a blank line after them, of each connection that ended so.
    pub fn fragments(&self) -> Vec<Vec<u8>> {
        self.shared.lock().fragments.clone()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.lock().open.len()
    }

    /// Waits until that many requests have come, at most ten seconds; false if they did not.
    pub fn wait_requests(&self, count: usize) -> bool {
        self.wait(|state| state.requests.len() >= count)
    }

    /// Waits until that many connections were accepted, at most ten seconds; false if they were not.
    pub fn wait_connections(&self, count: usize) -> bool {
        self.wait(|state| state.connections >= count)
    }

    fn wait(&self, condition: impl Fn(&State) -> bool) -> bool {
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !condition(state));
        !waited.expect("no panic under the lock").1.timed_out()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop();
        if let Place::Unix(path) = &self.place {
            // Its directory may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Bounds a failure; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// A program for the system's filter of packets: nothing of this one is passed on.
const RETURN_ZERO: SockFilter = SockFilter::new(0x06, 0, 0, 0);
