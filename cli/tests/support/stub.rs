//! A policy server for tests: real sockets, a script of what to answer, a record of what came.
//!
//! One thread accepts, one serves each connection; all end with the [`Stub`]. Built on `socket2`
//! and not on std alone, since a reset needs `SO_LINGER` and a lost SYN a backlog of nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::port::Port;

/// What a stub does with one request.
#[derive(Clone, Debug)]
pub struct Script {
    pub reply: Reply,
    /// Time between the request and its answer.
    pub delay: Duration,
    /// Close the connection after the answer.
    pub close: bool,
    /// Wait for [`Stub::release`] before the answer.
    pub hold: bool,
}

/// The kinds of answer, good and bad. The first three take effect without a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Listens, but its queue is full: a SYN is lost. Takes effect at start and restart.
    Backlog,
    /// Closes as soon as it has accepted.
    CloseAtOnce,
    /// Sends these bytes on accepting, then this for each request.
    Banner(Vec<u8>, Box<Self>),
    /// These bytes, whatever they are.
    Bytes(Vec<u8>),
    /// What the function makes of the request's bytes.
    Call(fn(&[u8]) -> Vec<u8>),
    /// The kind of answer that the function chooses for the request's bytes.
    Choose(fn(&[u8]) -> Self),
    /// Reads the request and whatever follows, never answers.
    Hang,
    /// Closes after the request.
    CloseUnanswered,
    /// Sends these bytes, then a reset instead of an orderly end.
    Reset(Vec<u8>),
    /// One byte at a time, with this pause before each.
    Drip(Vec<u8>, Duration),
    /// These pieces, each in a write of its own, with this pause between.
    Pieces(Vec<Vec<u8>>, Duration),
    /// Endless bytes without a line feed, until the peer closes or 10 MB are sent.
    Flood,
}

impl Script {
    pub fn answer(action: &str) -> Self {
        Self::bytes(format!("action={action}\n\n"))
    }

    pub fn bytes(reply: impl Into<Vec<u8>>) -> Self {
        Self::reply(Reply::Bytes(reply.into()))
    }

    pub fn reply(reply: Reply) -> Self {
        Self {
            reply,
            delay: Duration::ZERO,
            close: false,
            hold: false,
        }
    }

    /// The answer comes after this time.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The connection is closed after the answer.
    pub fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    /// The answer waits for [`Stub::release`].
    pub fn held(self) -> Self {
        Self { hold: true, ..self }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::answer("dunno")
    }
}

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
            match drop {
                true => socket.attach_filter(&[RETURN_ZERO]),
                false => socket.detach_filter(),
            }
            .expect("a filter of packets");
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

#[derive(Clone, Debug)]
enum Place {
    Tcp(u16),
    Unix(PathBuf),
}

/// The listening socket and its thread.
#[derive(Debug)]
struct Running {
    listener: Arc<Socket>,
    acceptor: Option<JoinHandle<()>>,
    /// Connections of our own that fill the queue of a [`Reply::Backlog`].
    _fillers: Vec<Socket>,
}

impl Running {
    fn start(place: &Place, shared: &Arc<Shared>) -> Self {
        let full = matches!(shared.lock().script().reply, Reply::Backlog);
        let listener = Arc::new(listen(place, if full { 0 } else { 1024 }));
        let (acceptor, fillers) = if full {
            (None, fill(place))
        } else {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(shared));
            (
                Some(thread::spawn(move || accept(&listener, &shared))),
                Vec::new(),
            )
        };
        Self {
            listener,
            acceptor,
            _fillers: fillers,
        }
    }

    /// Ends all threads and waits for them.
    fn stop(mut self, shared: &Shared) {
        shared.lock().stopping = true;
        shared.changed.notify_all();
        // On Linux this wakes a thread that waits in accept(2).
        let _ = self.listener.shutdown(Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the acceptor does not panic");
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// In reverse: the current one is the last.
    scripts: Vec<Script>,
    requests: Vec<(usize, Vec<u8>)>,
    fragments: Vec<Vec<u8>>,
    connections: usize,
    open: Vec<(usize, Arc<Socket>)>,
    released: bool,
    stopping: bool,
}

impl Shared {
    fn new(script: Script) -> Self {
        Self {
            state: Mutex::new(State {
                scripts: vec![script],
                requests: Vec::new(),
                fragments: Vec::new(),
                connections: 0,
                open: Vec::new(),
                released: false,
                stopping: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    /// Waits, unless the stub is stopped; false when it is.
    fn pause(&self, time: Duration) -> bool {
        self.sleep_while(time, |state| !state.stopping);
        !self.lock().stopping
    }

    fn wait_release(&self) -> bool {
        self.sleep_while(PATIENCE * 6, |state| !state.stopping && !state.released);
        !self.lock().stopping
    }

    fn sleep_while(&self, time: Duration, asleep: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while asleep(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.expect("no panic under the lock").0;
        }
    }
}

impl State {
    fn script(&self) -> &Script {
        self.scripts.last().expect("a stub has a script")
    }

    fn take_script(&mut self) -> Script {
        if self.scripts.len() > 1 {
            self.scripts.pop().expect("more than one")
        } else {
            self.script().clone()
        }
    }
}

fn listen(place: &Place, backlog: i32) -> Socket {
    let (domain, address) = address_of(place);
    let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
    match place {
        Place::Tcp(_) => socket.set_reuse_address(true).expect("SO_REUSEADDR"),
        // Absent as a rule.
        Place::Unix(path) => drop(std::fs::remove_file(path)),
    }
    let bound = socket.bind(&address).and_then(|()| socket.listen(backlog));
    bound.unwrap_or_else(|error| panic!("cannot listen at {place:?}: {error}"));
    socket
}

fn address_of(place: &Place) -> (Domain, SockAddr) {
    match place {
        Place::Tcp(port) => {
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port);
            (Domain::IPV4, address.into())
        }
        Place::Unix(path) => (Domain::UNIX, SockAddr::unix(path).expect("a short path")),
    }
}

/// Connects until the queue of a listener that never accepts is full.
fn fill(place: &Place) -> Vec<Socket> {
    let (domain, address) = address_of(place);
    let mut fillers = Vec::new();
    for _ in 0..16 {
        let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
        let connected = match place {
            Place::Tcp(_) => socket.connect_timeout(&address, Duration::from_millis(100)),
            Place::Unix(_) => socket
                .set_nonblocking(true)
                .and_then(|()| socket.connect(&address)),
        };
        if connected.is_err() {
            return fillers;
        }
        fillers.push(socket);
    }
    panic!("the queue of {place:?} does not fill");
}

fn accept(listener: &Socket, shared: &Arc<Shared>) {
    let mut servers: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((socket, _)) = listener.accept() {
        let socket = Arc::new(socket);
        let mut state = shared.lock();
        if state.stopping {
            break;
        }
        assert!(state.open.len() < MAX_CONNECTIONS, "too many connections");
        state.connections += 1;
        let number = state.connections;
        state.open.push((number, Arc::clone(&socket)));
        drop(state);
        shared.changed.notify_all();
        servers.retain(|server| !server.is_finished());
        let shared = Arc::clone(shared);
        servers.push(thread::spawn(move || {
            serve(number, &socket, &shared);
            shared.lock().open.retain(|(n, _)| *n != number);
            // Here the last handle goes, unless stop() is looking at it: close(2).
            drop(socket);
            shared.changed.notify_all();
        }));
    }
    for (_, socket) in &shared.lock().open {
        // An error says that the peer was first.
        let _ = socket.shutdown(Shutdown::Both);
    }
    for server in servers {
        server.join().expect("a connection's thread does not panic");
    }
}

/// Serves one connection until either side is done with it.
fn serve(number: usize, socket: &Socket, shared: &Shared) {
    let on_accept = shared.lock().script().reply.clone();
    match on_accept {
        Reply::CloseAtOnce => {
            shared.lock().take_script();
            return;
        }
        Reply::Banner(banner, _) if write(socket, &banner).is_none() => return,
        _ => {}
    }
    let mut buffer = Vec::new();
    while let Some(request) = read_request(socket, &mut buffer) {
        let mut state = shared.lock();
        state.requests.push((number, request.clone()));
        let script = state.take_script();
        drop(state);
        shared.changed.notify_all();
        let go_on = (!script.hold || shared.wait_release())
            && shared.pause(script.delay)
            && answer(socket, &request, &script.reply, shared).is_some();
        if !go_on || script.close {
            return;
        }
    }
    if !buffer.is_empty() {
        shared.lock().fragments.push(buffer);
    }
}

/// `None` when the connection is to be closed.
fn answer(mut socket: &Socket, request: &[u8], reply: &Reply, shared: &Shared) -> Option<()> {
    match reply {
        Reply::Bytes(bytes) => write(socket, bytes),
        Reply::Call(make) => write(socket, &make(request)),
        Reply::Choose(choose) => answer(socket, request, &choose(request), shared),
        Reply::Banner(_, reply) => answer(socket, request, reply, shared),
        Reply::CloseAtOnce | Reply::CloseUnanswered => None,
        Reply::Reset(bytes) => {
            write(socket, bytes)?;
            // The peer must have read them: a reset overtakes what is queued.
            shared.pause(Duration::from_millis(if bytes.is_empty() { 0 } else { 50 }));
            socket.set_linger(Some(Duration::ZERO)).ok()?;
            None
        }
        Reply::Drip(bytes, pause) => bytes.iter().try_for_each(|byte| {
            shared.pause(*pause).then_some(())?;
            write(socket, &[*byte])
        }),
        Reply::Pieces(pieces, pause) => pieces.iter().try_for_each(|piece| {
            write(socket, piece)?;
            shared.pause(*pause).then_some(())
        }),
        Reply::Flood => {
            for _ in 0..10 * 1024 {
                write(socket, &[b'x'; 1024])?;
            }
            None
        }
        Reply::Hang | Reply::Backlog => {
            let mut bytes = [0; 4096];
            while socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
            None
        }
    }
}

fn write(mut socket: &Socket, bytes: &[u8]) -> Option<()> {
    socket.write_all(bytes).ok()
}

/// The next bytes up to a blank line; what follows stays in the buffer.
fn read_request(mut socket: &Socket, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = request_length(buffer) {
            let rest = buffer.split_off(length);
            return Some(std::mem::replace(buffer, rest));
        }
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&bytes[..count]);
    }
}

fn request_length(buffer: &[u8]) -> Option<usize> {
    if buffer.starts_with(b"\n") {
        return Some(1);
    }
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    Some(end + 2)
}

/// Bounds a failure; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 1024;
/// A program for the system's filter of packets: nothing of this one is passed on.
const RETURN_ZERO: SockFilter = SockFilter::new(0x06, 0, 0, 0);
