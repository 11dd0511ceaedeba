//! A policy server whose answers a test lets go one by one.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use super::PATIENCE;

/// A policy server that holds each answer back until it is let go by its mark, the request's
/// `sender`, which is the answer.
#[derive(Debug)]
pub struct Gate {
    pub address: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The marks of all requests, in the order in which they came.
    arrived: Vec<String>,
    released: HashSet<String>,
    connections: usize,
}

impl Gate {
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::new(Shared::default());
        let gate = Self {
            address,
            shared: Arc::clone(&shared),
        };
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                shared.lock().connections += 1;
                thread::spawn(move || shared.serve(&stream));
            }
        });
        gate
    }

    pub fn release(&self, mark: &str) {
        self.shared.lock().released.insert(mark.to_owned());
        self.shared.changed.notify_all();
    }

    /// Waits until so many requests have come; whether they have.
    pub fn wait_arrived(&self, count: usize) -> bool {
        let waiting = |state: &mut State| state.arrived.len() < count;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), PATIENCE, waiting);
        !waited.expect("no panic under the lock").1.timed_out()
    }

    pub fn arrived(&self) -> Vec<String> {
        self.shared.lock().arrived.clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut mark = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(sender) = line.strip_prefix("sender=") {
                mark = sender.to_owned();
            }
            if line.is_empty() && !self.answer(stream, &mark) {
                return;
            }
        }
    }

    fn answer(&self, mut stream: &TcpStream, mark: &str) -> bool {
        let mut state = self.lock();
        state.arrived.push(mark.to_owned());
        self.changed.notify_all();
        let held = |state: &mut State| !state.released.contains(mark);
        let waited = self.changed.wait_timeout_while(state, PATIENCE * 3, held);
        drop(waited.expect("no panic under the lock"));
        stream
            .write_all(format!("action={mark}\n\n").as_bytes())
            .is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }
}
