//! The listening socket of a stub, and the thread that accepts.

use std::net::{Ipv4Addr, Shutdown, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::Reply;
use super::connection::serve;
use super::shared::Shared;

#[derive(Clone, Debug)]
pub(super) enum Place {
    Tcp(u16),
    Unix(PathBuf),
}

/// The listening socket and its thread.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) listener: Arc<Socket>,
    acceptor: Option<JoinHandle<()>>,
    /// Connections of our own that fill the queue of a [`Reply::Backlog`].
    _fillers: Vec<Socket>,
}

impl Running {
    pub(super) fn start(place: &Place, shared: &Arc<Shared>) -> Self {
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
    pub(super) fn stop(mut self, shared: &Shared) {
        shared.lock().stopping = true;
        shared.changed.notify_all();
        // On Linux this wakes a thread that waits in accept(2).
        let _ = self.listener.shutdown(Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the acceptor does not panic");
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

const MAX_CONNECTIONS: usize = 1024;
